// The languages that Whisper knows, as code and English name.

import { uiLanguage } from './i18n.js';

const NAMES = `
af Afrikaans|am Amharic|ar Arabic|as Assamese|az Azerbaijani|ba Bashkir|be Belarusian
bg Bulgarian|bn Bengali|bo Tibetan|br Breton|bs Bosnian|ca Catalan|cs Czech|cy Welsh
da Danish|de German|el Greek|es Spanish|et Estonian|eu Basque|fa Persian|fi Finnish
fo Faroese|fr French|gl Galician|gu Gujarati|ha Hausa|haw Hawaiian|he Hebrew|hi Hindi
hr Croatian|ht Haitian Creole|hu Hungarian|hy Armenian|id Indonesian|is Icelandic
it Italian|ja Japanese|jw Javanese|ka Georgian|kk Kazakh|km Khmer|kn Kannada|ko Korean
la Latin|lb Luxembourgish|ln Lingala|lo Lao|lt Lithuanian|lv Latvian|mg Malagasy|mi Maori
mk Macedonian|ml Malayalam|mn Mongolian|mr Marathi|ms Malay|mt Maltese|my Burmese
ne Nepali|nl Dutch|nn Norwegian Nynorsk|no Norwegian|oc Occitan|pa Punjabi|pl Polish
ps Pashto|pt Portuguese|ro Romanian|ru Russian|sa Sanskrit|sd Sindhi|si Sinhala|sk Slovak
sl Slovenian|sn Shona|so Somali|sq Albanian|sr Serbian|su Sundanese|sv Swedish|sw Swahili
ta Tamil|te Telugu|tg Tajik|th Thai|tk Turkmen|tl Tagalog|tr Turkish|tt Tatar|uk Ukrainian
ur Urdu|uz Uzbek|vi Vietnamese|yi Yiddish|yo Yoruba|yue Cantonese
`;

const ENGLISH_NAMES = new Map([
  ['zh', 'Chinese'],
  ['en', 'English'],
  ...NAMES.trim().split(/[|\n]/).map((pair) => pair.split(/ (.*)/).slice(0, 2)),
]);

const FIRST = ['zh', 'en'];
const INTL_CODES = { jw: 'jv' }; // Whisper's code for Javanese is not the standard's

/** A language's name in the page's own language. */
export function languageName(code) {
  const fallback = ENGLISH_NAMES.get(code) ?? code;
  if (uiLanguage() === 'en') return fallback;
  try {
    return new Intl.DisplayNames(['zh-CN'], { type: 'language' }).of(INTL_CODES[code] ?? code);
  } catch {
    return fallback;
  }
}

/** The codes but Chinese and English, in the order of their names as shown. */
export function otherLanguages() {
  const rest = [...ENGLISH_NAMES.keys()].filter((code) => !FIRST.includes(code));
  const order = new Intl.Collator(uiLanguage());
  return rest.sort((a, b) => order.compare(languageName(a), languageName(b)));
}
