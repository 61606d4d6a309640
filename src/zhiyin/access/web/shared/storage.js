// Browser storage that never throws (private windows may refuse it).

const PREFIX = 'zhiyin.';

export function recall(name, area = 'localStorage') {
  try {
    return window[area].getItem(PREFIX + name);
  } catch {
    return null;
  }
}

/** Keeps a string; null forgets it. */
export function remember(name, value, area = 'localStorage') {
  try {
    if (value === null) window[area].removeItem(PREFIX + name);
    else window[area].setItem(PREFIX + name, value);
  } catch {
    // Nothing is kept: the page still works for this visit.
  }
}

export const recallKey = () => recall('key', 'sessionStorage');
export const rememberKey = (key) => remember('key', key || null, 'sessionStorage');
