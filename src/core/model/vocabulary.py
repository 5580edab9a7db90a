"""Words and pairs of letters that are frequent in prose and code, for estimating tokens.

Each word is one token of o200k_base and of cl100k_base when it follows a space, and two at most
capitalised or inside an identifier (measured: bench/tokens).
"""

from typing import Final

WORDS: Final = frozenset(
    """
abc abi able abort aborted about above absolute abstract accept accepted accepts access accessed
accessible according account accounts acl across action actions active activity actual actually ada add
added adding addition additional addon addons addr address addresses adds adjust admin advanced affect
affected after again against age agent alert algorithm algorithms alias aliases align alignment alive all
alloc allocate allocated allocation allow allowed allowing allows almost along alpha already also alt
alternate alternative although always amazon amd amount amp analysis and android annotated annotation
annotations anonymous another any anything apache api app appear appears append applicable application
applications applied applies apply appropriate apps arbitrary arch architecture archive are area aren arg
args argument arguments argv arm around arr array arrays ascii ask asked asm assembly assert assertion
assign assigned assignment associate associated association associations assume ast async asynchronous
atomic attach attached attachment attempt attempted attempting attempts attr attribute attributes attrs
audio auth authentication author authority authorization authors auto automatically aux availability
available avoid await aware aws back backend background backward bad bar bare base based bash basic batch
baz because become been before begin beginning behalf behavior behaviors behaviour behind being below
benchmark best better between big bigint bin binaries binary bind binding bindings bit bitmap bits blame
blank blob block blocking blocks blue body book bool boolean bootstrap border both bound boundary bounds
box branch branches break broken browser bucket buf buffer buffered buffers bug bugs build builder
building builds built builtin bundle but button byte bytes cache cached caches caching call callable
callback callbacks called caller calling calls can cancel cancelled candidate cannot canonical cap
capacity capture care case cases cast cat catch category cause caused causes causing cert certain
certificate certificates chain chan change changed changes changing channel channels char character
characters chars charset chat check checked checking checkout checks checksum cherry child children chmod
choice choose chunk chunks cipher clang class classes clause clean cleanup clear cli click client clients
clock clone close closed closing closure cloud cls cluster cmd cmp code codec codecs codes col collect
collected collection collections colon color colors column columns com combination combined come comes
comma command commands comment comments commit commits common communication comp compare compared
comparison compat compatibility compatible compilation compile compiled compiler compiling complete
completed completely completion complex compliant component components compress compressed compression
compute computed computer concat concurrent cond condition conditional conditions conf config configs
configuration configurations configure configured configuring conflict conflicts confused conn connect
connected connection connections connector consider considered consistent consists console const constant
constants constrain constraint constraints construct constructor consume consumed contact contain
contained container containing contains content contents context contexts continuation continue continues
contrib contributor control controller controls convention conversion convert converted converts cookie
cookies copied copies copy copying copyright core correct corrected correctly cost could count counter
country counts cover coverage covered cpp cpu crash crc create created creates creating creation
credential credentials criteria cross crypto css ctx ctxt cur current currently custom customer cut cwd
cycle cycles daemon dall dark dash data database date datetime day days debug debugger debugging dec
decimal decl declaration declarations declare declared decode decoded decoder decoding decorator deep def
default defaults defer define defined defines definition definitions del delay delete deleted deletes
deleting deletion delivery delta demand denied dep depend dependencies dependency dependent depending
depends deployed deployment deprecated deps depth derived desc describe described describes description
descriptions descriptor descriptors design designed desired dest destination destroy destroyed detach
detached detail detailed details detect detected detection determine determined dev developer developers
development device devices diagnostic diagnostics dial dict dictionary did didn die diff difference
differences different digest digit digits dir direct directive directives directly directories directory
dirname dirs disable disabled disables discard disconnect disk dispatch display displayed displays dist
distribute distributed distribution distributions div dns doc docs document documentation documented
documents does doesn doing domain domains don done dot double down download draw driver drop dry dst dual
due dump dumps dup duplicate duration during dynamic each earlier early easier east easy echo edge edit
editor effect effective either elastic elem element elements elif else email embedded embedding emit emits
emitted emitter empty enable enabled enables enc encode encoded encoder encoding encrypt encrypted
encryption end ended endian ending endpoint endpoints ends engine enough ensure ensures enter entire
entities entity entries entry enum enumerable enumerate env environ environment epoch equal equals
equivalent err errno error errors escape escaped especially estimate etc eval evaluate evaluated
evaluation even event events every everything exact exactly example examples exc exceed exceeded except
exception exceptions exclude excluded exclusive exe exec executable execute executed execution exist
existing exists exit exp expand expanded expect expected experimental expiration expires explicit
explicitly export exported exports expose exposed expr expression expressions ext extend extended extends
extension extensions external extra extract fact factor factory fail failed failing fails failure failures
fake fall fallback false family far fast faster fatal fault feature features feed feedback fetch few ffi
field fields file filename filenames filepath files filesystem fill filter filters fim final finally find
finding fine fingerprint finish finished first fit five fix fixed fixes fixture flag flags flat flavor
float floating flow flush fmt folder follow followed following follows font foo for forbidden force fork
form format formats formatted formatter formatting forms forward forwarded forwards found foundation four
fprintf fragment frame frames framework free freed from front full fullname fully fun func function
functionality functions further future gained garbage gateway gcc gen general generally generate generated
generates generating generation generator generators generic geo get getattr gets getting gid git github
give given gives giving glob global globals going good google got goto grant granted graph greater grep
group groups guess gui guide gzip had half hand handle handled handler handlers handles handling happen
hard hardware has hasattr hash hashes have having head header headers health heap height hello help helper
helps here hex hidden hide high higher highlight hint history hold home honor hook hooks host hostname
hosts hour hours how however href html http https hub human iam icon ident identical identifier
identifiers identifies identify identities identity idle ids idx ignore ignored illegal image images imm
immediate immediately impl implement implementation implementations implemented implements implicit import
important imported imports improve improved inc include included includes including inclusive incoming
incompatible incomplete inconsistent incorrect incorrectly increase indent independent index indexed
indexes indicate indicates indices indirect individual inf infinity info information inherit init initial
initialization initialize initialized inline inner input inputs insensitive insert inside inspect
inspection inspector inst install installation installed installing instance instances instead instruction
instructions int integer integers intended inter interactive interface interfaces internal internally
internet interval into introduced introduction invalid invocation invoke invoked ipv isinstance isn iso
issue issues item items iter iterable iteration iterator its itself java javascript job jobs join json
jump just keep kernel key keys keyword keywords kill kind kms know known kwargs label labels lambda
language languages large larger last latency later latest latin latter launch launched layer layout lazy
lead leading leak leaks learned least leave left legacy legal len length less let letter letters level
lexer lib libc libraries library license licensed licenses life lifecycle like likely limit limitations
limited limits line lines link linked linker linking links linux list listed listen listener listeners
listening listing lists lit literal literals little live load loaded loader loading loads local locale
localhost located location locations lock locked log logger logging logic logs long longer look looking
looks lookup loop loose lost lot low lower lowercase mac machine machinery macro macros made magic mail
main maint maintenance major make makes making malloc man manage managed management manager manifest
manual manually many map mapped mapping mappings maps margin mark marked marker marks marshal mask master
match matched matcher matches matching material math max maximum may maybe mean meaning means meant
measure media medium mem member members memory menu merge merged message messages meta metadata meth
method methods metric metrics microsoft middle might milliseconds mime min mini minimum minor minutes misc
mismatch missing mkdir mock mod mode model models moderation modes modification modifications modified
modify modifying module modules monitor monitoring more most moto mount move moved msg much mul multi
multipart multiple must mutable mutex name named names namespace namespaces naming nano native necessary
need needed needs negative nested net network never new newer newline newly next nil node nodes non none
nor normal normalize normalized normally not notation note notes nothing notice notification notifications
notify now npm null num number numbers numeric obj object objects obtain occur occurred occurs off offset
often old older omit omitted once one ones only opaque open opened opening operand operating operation
operations operator operators ops opt optimization optimized option optional optionally options opts order
ordered org organization orig origin original originally origins oss other others otherwise our out outer
output outputs outside over overflow overload overridden override overrides overview own owned owner pack
package packages packaging packed packet pad padding page pager pages pagination pair pairs panic parallel
param parameter parameters params parent parse parsed parser parsing part partial particular partition
parts party pass passed passes passing password past patch patches path pathname paths pattern patterns
pause payload peer pem pending people per percent percentage perf perform performance performed performs
period perl permission permissions permitted persistent phase pick pid ping pip pipe pipeline pkg place
placed placement places plain plan platform platforms please plugin plugins plus pod point pointer
pointers points policies policy pool pop port portion ports pos position positional positive possible
possibly post potential potentially power pragma pre precision predefined predicate prefer preference
preferred prefix prepare prepared present preserve pretty prev prevent preview previous previously price
primary primitive principal print printed printf println prints prior priority private pro probably
problem problems proc process processed processes processing processor produce produced produces product
production profile profiler profiles profiling prog program programs progress project projects promise
promises prompt prop propagation proper properties property props protect protected proto protocol
protocols prototype provide provided provider provides proxy prune pseudo ptr pub public publish pull
purpose push put pytest python qualified quantity queries query question queue quiet quite quote quoted
race raise raised raises rand random range ranges ranks rate rather raw reached read readable reader
reading readline reads ready real really realtime reason reasons receive received receiver receiving
recent recently recommend recommended record recorded records recursive recursively recv red redirect
reduce ref refer reference referenced references refers reflect refresh refs reg regardless regex regexp
region regions register registered registers registry regression regular reject rejected rejection rel
related relative release released releases relevant remain remaining remote removal remove removed removes
removing rename renamed render repeat repl replace replaced replacement repo report reported reporting
reports repositories repository repr represent representation represented representing represents req
request requested requests require required requirement requirements requires res research reserved reset
resolution resolve resolved resolver resource resources resp response responses rest restore restriction
result resulting results resume ret retention retries retrieve retry return returned returning returns
reuse rev reverse revert review revision rewrite rich right rights role roles root round route row rsa
rule rules run rune runner running runs runtime safe same sample save saved say scalar scale scaling scan
schedule scheduled schema scheme scope scopes screen script scripts search sec second secondary seconds
secret section sections secure security see seek seen segment segments select selected selection selector
self semantics send sender sending sends sense sensitive sent sep separate separated separator seq
sequence sequences serialization serialize serialized series serve server servers service services session
sessions set sets setting settings setup several severity sha shall shallow shape share shared shell shift
short should show showing shown shows shutdown side sig sign signal signals signature signatures signed
signer signing similar similarity simple simply since single site size sizeof sizes skip skipped skipping
slash sleep slice slices slot slots slow small smaller snapshot snapshots socket sockets software sol some
something sometimes sort sorted source sources space spaces span sparse spawn spec special specific
specifically specification specified specifies specify specifying speed split sprintf src ssh ssl
stability stable stack stage stamp standard star start started starting starts startup stash stat state
statement statements states static statistics stats status std stderr stdin stdout step steps still stmt
stop stopped stops storage store stored stores str strategy stream streaming streams strict string
stringify strings strip struct structure structured structures studio stuff style styles stylesheet sub
subclass subject submit submitted subnet subprocess subscribe subscription subscriptions subset subtype
succeeded success successful successfully such suffix suite sum summaries summary super supplied support
supported supports suppress sure svn swap switch sym symbol symbolic symbols sync synchronous syntax sys
syscall system systems tab table tables tag tagging tags tail take taken takes taking tar target targets
task tasks taught tcp team tell tells temp template templates temporary term terminal terminate terminated
termination terms test tested testing tests text tgt than that the their them theme then there therefore
these they thing things third this those though thread threading threads three threshold through
throughput throw thrown throws thus tick time timeout timer timers times timestamp timeval timezone timing
title tls tmp together toggle tok token tokens told too tool tools top topic total trace traceback traces
tracing track tracker tracking traffic trailers trailing transfer transform transformation transition
translate translation transport treat treated tree trees trie tried tries trigger triggered trim trivial
true truncate truncated trusted try trying ttl tty tuple turbo turn two txt typ type typed typedef typeof
types typically typing udp uid uint uintptr unable unavailable undefined under underlying unexpected
unicode union unique unit units unix unknown unless unlike unlink unlock unnecessary unpack unreachable
unsafe unsigned unsupported until unused update updated updates updating upgrade upload uploaded uploads
upon upper ups upstream uri url urllib usage use used useful user username users uses using usr usual
usually utf util utilities utility utils val valid validate validation value values var variable variables
variant various vars vector vendor verbose verification verified verify version versions very via video
view viewer virtual visible visit visual vocabulary void volume wait waiting walk want wanted warn warning
warnings was watch way ways weak web website weight well were what whatever when whenever where whether
which while whisper white whitespace who whole whose why width wiki wildcard will win window windows with
within without won word words work worker workers working works workspace world would wrap wrapped wrapper
writable write writer writes writing written wrong www xml year yes yet yield you your zero zip zone zones
""".split()
)

_FOLLOWERS: Final = {
    "a": "bcdgilmnprstuv",
    "b": "aeilouy",
    "c": "aehiklortu",
    "d": "adeiosu",
    "e": "abcdefgilmnprstvx",
    "f": "aefiortu",
    "g": "ehinors",
    "h": "aeiot",
    "i": "abcdefglmnoprstv",
    "j": "s",
    "k": "e",
    "l": "adefilostuy",
    "m": "aeimop",
    "n": "acdefgiostuy",
    "o": "cdfglmnoprstuvw",
    "p": "aeiloprstuy",
    "q": "u",
    "r": "acdegimnorstuy",
    "s": "acehilopstuy",
    "t": "acehiloprstuwy",
    "u": "bceilmnprst",
    "v": "aei",
    "w": "aehio",
    "x": "st",
    "y": "lop",
}
PAIRS: Final = frozenset(first + second for first, seconds in _FOLLOWERS.items() for second in seconds)
