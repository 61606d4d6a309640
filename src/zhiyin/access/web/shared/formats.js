// Formats of times and sizes, and the transcript as txt, srt, vtt and json.

const PARAGRAPH_GAP = 1.5; // seconds of silence that start a paragraph
const PARAGRAPH_LENGTH = 600; // characters after which a sentence's end starts one
// Scripts written without spaces, as in domain/languages.py: Thai to Tibetan, Burmese, Khmer, CJK.
const RANGES = '\\u0e00-\\u0fff\\u1000-\\u109f\\u1780-\\u17ff\\u2e80-\\u31ff\\u3400-\\u9fff'
  + '\\uf900-\\ufaff\\uff00-\\uffef\\u{20000}-\\u{3ffff}';
const ENDS_SPACELESS = new RegExp(`[${RANGES}]$`, 'u');
const STARTS_SPACELESS = new RegExp(`^[${RANGES}]`, 'u');
const SENTENCE_END = /[.!?。！？…]["'”’」』)）]*$/;

const pad = (number, width = 2) => String(number).padStart(width, '0');

/** Seconds as 0:07, 12:34 or 1:02:03. */
export function clock(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  const hours = Math.floor(whole / 3600);
  const minutes = Math.floor(whole / 60) % 60;
  const tail = `${pad(whole % 60)}`;
  return hours ? `${hours}:${pad(minutes)}:${tail}` : `${minutes}:${tail}`;
}

/** Seconds as 00:00:07,250 (srt, mark ',') or 00:00:07.250 (vtt, mark '.'). */
export function timestamp(seconds, mark) {
  const ms = Math.max(0, Math.round(seconds * 1000));
  const parts = [ms / 3600000, (ms / 60000) % 60, (ms / 1000) % 60].map(Math.floor);
  return `${parts.map((part) => pad(part)).join(':')}${mark}${pad(ms % 1000, 3)}`;
}

/** The local date and time, fit for a file's name. */
export function localTimestamp() {
  const now = new Date();
  const local = new Date(now.getTime() - now.getTimezoneOffset() * 60000);
  return local.toISOString().slice(0, 19).replace('T', ' ').replaceAll(':', '.');
}

const oneLine = (text) => text.replace(/\s+/g, ' ').trim();

function cues(segments, mark) {
  const nonEmpty = segments.filter((segment) => segment.text.trim());
  return nonEmpty.map(({ start, end, text }) => ({
    span: `${timestamp(start, mark)} --> ${timestamp(Math.max(start, end), mark)}`,
    text: oneLine(text),
  }));
}

export function toSrt(segments) {
  const entries = cues(segments, ',').map(
    ({ span, text }, index) => `${index + 1}\n${span}\n${text.replaceAll('-->', '->')}\n`,
  );
  return entries.join('\n');
}

const escapeCue = (text) =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');

export function toVtt(segments) {
  const entries = cues(segments, '.').map(({ span, text }) => `${span}\n${escapeCue(text)}\n`);
  return ['WEBVTT\n', ...entries].join('\n');
}

function joinText(left, right) {
  if (!left) return right;
  const spaceless = ENDS_SPACELESS.test(left) || STARTS_SPACELESS.test(right);
  return left + (spaceless ? '' : ' ') + right;
}

/** Flowing text in paragraphs, broken at long pauses and after long runs of sentences. */
export function toText(segments) {
  const paragraphs = [];
  let paragraph = '';
  let lastEnd = 0;
  for (const { start, end, text } of segments) {
    const line = oneLine(text);
    if (!line) continue;
    const long = paragraph.length > PARAGRAPH_LENGTH && SENTENCE_END.test(paragraph);
    if (paragraph && (long || start - lastEnd >= PARAGRAPH_GAP)) {
      paragraphs.push(paragraph);
      paragraph = '';
    }
    paragraph = joinText(paragraph, line);
    lastEnd = end;
  }
  if (paragraph) paragraphs.push(paragraph);
  return paragraphs.length ? `${paragraphs.join('\n\n')}\n` : '';
}

export function megabytes(bytes) {
  return (bytes / 1e6).toFixed(bytes < 1e8 ? 1 : 0);
}

const WRITERS = {
  txt: { type: 'text/plain', write: (result) => toText(result.segments) },
  srt: { type: 'application/x-subrip', write: (result) => toSrt(result.segments) },
  vtt: { type: 'text/vtt', write: (result) => toVtt(result.segments) },
  json: { type: 'application/json', write: (result) => `${JSON.stringify(result, null, 2)}\n` },
};

/** The result as a Blob in one of the four formats. */
export function toBlob(format, result) {
  const { type, write } = WRITERS[format];
  return new Blob([write(result)], { type: `${type};charset=utf-8` });
}
