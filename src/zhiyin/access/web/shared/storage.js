// Browser storage that never throws (private windows may refuse it).

const PREFIX = 'zhiyin.';

/** The stored string, or null. */
export function loadSetting(name, area = 'localStorage') {
  try {
    return window[area].getItem(PREFIX + name);
  } catch {
    return null;
  }
}

/** Stores a string; null removes it. */
export function saveSetting(name, value, area = 'localStorage') {
  try {
    if (value === null) window[area].removeItem(PREFIX + name);
    else window[area].setItem(PREFIX + name, value);
  } catch {
    // Nothing is stored: the page still works for this visit.
  }
}

export const loadApiKey = () => loadSetting('key', 'sessionStorage');
export const saveApiKey = (key) => saveSetting('key', key || null, 'sessionStorage');
