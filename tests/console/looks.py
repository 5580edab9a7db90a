"""What a page looks like, measured: contrast, what sticks out, names that a screen reader would say."""

from typing import Final

from playwright.sync_api import Page

ENOUGH: Final = 4.5
"""WCAG 2.2, AA, for text of this size."""

_CONTRAST: Final = """() => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgba = (colour) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
    return [r, g, b, a / 255];
  };
  const over = ([r, g, b, a], [x, y, z]) => [r * a + x * (1 - a), g * a + y * (1 - a), b * a + z * (1 - a)];
  const light = (colour) => colour
    .map((part) => part / 255)
    .map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4))
    .reduce((sum, part, index) => sum + part * [0.2126, 0.7152, 0.0722][index], 0);
  const ground = (node) => {
    const layers = [];
    for (let at = node; at; at = at.parentElement) layers.push(rgba(getComputedStyle(at).backgroundColor));
    return layers.reverse().reduce((below, layer) => over(layer, below), [255, 255, 255]);
  };
  const found = [];
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const node = texts.currentNode.parentElement;
    if (!texts.currentNode.data.trim() || !node.checkVisibility()) continue;
    if (node.closest(".unseen, .skip, option, noscript")) continue;
    const style = getComputedStyle(node);
    let opacity = 1;
    for (let at = node; at; at = at.parentElement) opacity *= Number(getComputedStyle(at).opacity);
    const under = ground(node);
    const [r, g, b, a] = rgba(style.color);
    const [one, other] = [light(over([r, g, b, a * opacity], under)), light(under)].sort((x, y) => y - x);
    found.push([(one + 0.05) / (other + 0.05), texts.currentNode.data.trim().slice(0, 40)]);
  }
  return found;
}"""
_UNNAMED: Final = """() => {
  const labels = (node) => [...node.labels ?? []].map((label) => label.textContent);
  const names = (node) => [node.getAttribute("aria-label") ?? "", node.textContent, ...labels(node)];
  return [...document.querySelectorAll("a, button, input, select, [role=img], [tabindex='0']")]
    .filter((node) => node.checkVisibility() && !names(node).some((name) => name.trim()))
    .map((node) => node.outerHTML.slice(0, 120));
}"""


def contrasts(page: Page) -> list[tuple[float, str]]:
    """Of every piece of text that shows, with the piece."""
    return [(ratio, text) for ratio, text in page.evaluate(_CONTRAST)]


def unnamed(page: Page) -> list[str]:
    """What can be used and has no name to be known by."""
    found: list[str] = page.evaluate(_UNNAMED)
    return found


def overhang(page: Page) -> int:
    """Pixels by which the page is wider than its window."""
    wide: int = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
    return wide


def focus_shows(page: Page) -> bool:
    """Whether what has the focus, or the label that looks like it, has a line around it."""
    shows: bool = page.evaluate(
        """() => [document.activeElement, document.activeElement.closest("label")].some((node) => {
             const { outlineStyle, outlineWidth } = getComputedStyle(node ?? document.body);
             return outlineStyle === "solid" && parseFloat(outlineWidth) >= 2; })"""
    )
    return shows
