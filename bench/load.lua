-- Sends one plan's steps through wrk. `config` stands above this text (bench/wrk.py writes it):
-- everything that can be made beforehand is, since this shares the cores with the server.

local threads = {}

-- In the main state: one call for each thread.
function setup(thread)
  table.insert(threads, thread)
  thread:set("thread_number", #threads - 1)
end

-- Globals, because done() asks every thread's state for them.
issued = 0  -- requests
written = 0 -- memories, which is also the next one's number

local place = 0
local mark

function init()
  mark = "[" .. config.mark .. "t" .. thread_number .. "n"
end

local function memory()
  local n = written
  written = n + 1
  return config.shapes[n % #config.shapes + 1]
    .. mark .. string.format("%08d", n) .. "] "
    .. config.texts[n % #config.texts + 1] .. '"}'
end

local function body()
  if config.batch == 0 then
    return memory()
  end
  local memories = {}
  for i = 1, config.batch do
    memories[i] = memory()
  end
  return '{"memories":[' .. table.concat(memories, ",") .. "]}"
end

-- wrk asks once before it starts, on the first thread, and throws that request away.
function request()
  issued = issued + 1
  place = place % #config.steps + 1
  local step = config.steps[place]
  if step > 0 then
    return config.reads[step]
  end
  local text = body()
  return config.write_head .. #text .. "\r\n\r\n" .. text
end

-- In the main state again: everything as one line of JSON. Times in microseconds.
function done(summary, latency)
  local counts = {}
  for i, thread in ipairs(threads) do
    counts[i] = string.format('{"issued":%d,"written":%d}', thread:get("issued"), thread:get("written"))
  end
  local e = summary.errors
  local file = assert(io.open(config.out, "w"))
  file:write(string.format(
    '{"requests":%d,"duration":%d,"bytes":%d,"p50":%d,"p90":%d,"p99":%d,"max":%d,"mean":%.1f,'
      .. '"errors":{"connect":%d,"read":%d,"write":%d,"timeout":%d,"status":%d},"threads":[%s]}\n',
    summary.requests, summary.duration, summary.bytes,
    latency:percentile(50), latency:percentile(90), latency:percentile(99), latency.max, latency.mean,
    e.connect, e.read, e.write, e.timeout, e.status, table.concat(counts, ",")
  ))
  file:close()
end
