"""What languages are called besides their code and English name; see `domain.languages`.

For each: codes of ISO 639-2 and 639-3 (https://www.loc.gov/standards/iso639-2/php/code_list.php),
older codes, further English names, its own name, and its Chinese name.
"""

from __future__ import annotations

_TABLE = """
af|afr|afrikaans|南非语
am|amh|አማርኛ|阿姆哈拉语
ar|ara|arb|العربية|阿拉伯语
as|asm|অসমীয়া|阿萨姆语
az|aze|azj|azərbaycanca|阿塞拜疆语
ba|bak|башҡортса|巴什基尔语
be|bel|беларуская|白俄罗斯语
bg|bul|български|保加利亚语
bn|ben|bangla|বাংলা|孟加拉语
bo|bod|tib|བོད་སྐད|藏语
br|bre|brezhoneg|布列塔尼语
bs|bos|bosanski|波斯尼亚语
ca|cat|valencian|català|加泰罗尼亚语
cs|ces|cze|čeština|捷克语
cy|cym|wel|cymraeg|威尔士语
da|dan|dansk|丹麦语
de|deu|ger|deutsch|德语|德文
el|ell|gre|ελληνικά|希腊语
en|eng|english|英语|英文|英語
es|spa|castilian|español|castellano|西班牙语|西班牙文
et|est|ekk|eesti|爱沙尼亚语
eu|eus|baq|euskara|巴斯克语
fa|fas|per|pes|prs|farsi|dari|فارسی|波斯语
fi|fin|suomi|芬兰语
fo|fao|føroyskt|法罗语
fr|fra|fre|français|法语|法文|法語
gl|glg|galego|加利西亚语
gu|guj|ગુજરાતી|古吉拉特语
ha|hau|豪萨语
haw|ʻōlelo hawaiʻi|夏威夷语
he|heb|iw|עברית|希伯来语
hi|hin|हिन्दी|हिंदी|印地语
hr|hrv|scr|hrvatski|克罗地亚语
ht|hat|haitian|kreyòl ayisyen|海地克里奥尔语
hu|hun|magyar|匈牙利语
hy|hye|arm|հայերեն|亚美尼亚语
id|ind|in|bahasa indonesia|印尼语|印度尼西亚语
is|isl|ice|íslenska|冰岛语
it|ita|italiano|意大利语|意大利文
ja|jpn|日本語|日语|日文|日語
jw|jv|jav|basa jawa|爪哇语
ka|kat|geo|ქართული|格鲁吉亚语
kk|kaz|қазақша|қазақ тілі|哈萨克语
km|khm|cambodian|ខ្មែរ|高棉语
kn|kan|ಕನ್ನಡ|卡纳达语
ko|kor|한국어|조선말|韩语|韩文|韓語|朝鲜语
la|lat|latina|拉丁语
lb|ltz|letzeburgesch|lëtzebuergesch|卢森堡语
ln|lin|lingála|林加拉语
lo|lao|ລາວ|老挝语
lt|lit|lietuvių|立陶宛语
lv|lav|lvs|latviešu|拉脱维亚语
mg|mlg|plt|马达加斯加语|马尔加什语
mi|mri|mao|te reo māori|毛利语
mk|mkd|mac|македонски|马其顿语
ml|mal|മലയാളം|马拉雅拉姆语
mn|mon|khk|монгол|蒙古语
mr|mar|मराठी|马拉地语
ms|msa|may|zsm|bahasa melayu|马来语
mt|mlt|malti|马耳他语
my|mya|bur|burmese|မြန်မာဘာသာ|缅甸语
ne|nep|npi|नेपाली|尼泊尔语
nl|nld|dut|flemish|nederlands|荷兰语
nn|nno|norsk nynorsk|新挪威语
no|nor|nb|nob|bokmål|norsk|norsk bokmål|挪威语
oc|oci|奥克语
pa|pan|panjabi|ਪੰਜਾਬੀ|旁遮普语
pl|pol|polski|波兰语
ps|pus|pushto|پښتو|普什图语
pt|por|português|葡萄牙语|葡萄牙文
ro|ron|rum|moldavian|moldovan|română|罗马尼亚语
ru|rus|русский|俄语|俄文|俄語
sa|san|संस्कृतम्|梵语
sd|snd|سنڌي|信德语
si|sin|sinhalese|සිංහල|僧伽罗语
sk|slk|slo|slovenčina|斯洛伐克语
sl|slv|slovenščina|斯洛文尼亚语
sn|sna|chishona|绍纳语
so|som|soomaali|索马里语
sq|sqi|alb|shqip|阿尔巴尼亚语
sr|srp|scc|српски|srpski|塞尔维亚语
su|sun|basa sunda|巽他语
sv|swe|svenska|瑞典语
sw|swa|swh|kiswahili|斯瓦希里语
ta|tam|தமிழ்|泰米尔语
te|tel|తెలుగు|泰卢固语
tg|tgk|тоҷикӣ|塔吉克语
th|tha|ไทย|泰语|泰文
tk|tuk|türkmençe|土库曼语
tl|tgl|fil|filipino|pilipino|他加禄语|菲律宾语
tr|tur|türkçe|土耳其语
tt|tat|татарча|鞑靼语
uk|ukr|українська|乌克兰语
ur|urd|اردو|乌尔都语
uz|uzb|uzn|oʻzbekcha|乌兹别克语
vi|vie|tiếng việt|越南语|越南文
yi|yid|ydd|ייִדיש|意第绪语
yo|yor|yorùbá|约鲁巴语
zh|zho|chi|cmn|mandarin|mandarin chinese|中文|汉语|漢語|普通话|普通話|国语|國語|华语|華語|官话
zh|simplified chinese|简体中文|簡體中文|中文简体|中文簡體|简体|簡體
zh|traditional chinese|繁体中文|繁體中文|正體中文|中文繁体|中文繁體|繁体|繁體
yue|cantonese chinese|粤语|粵語|广东话|廣東話|广州话|白话
"""

OTHER_NAMES: list[tuple[str, str]] = [
    (name, code)
    for code, *names in (line.split("|") for line in _TABLE.strip().splitlines())
    for name in names
]
"""Further names, each with its code."""
