// Announcements for screen readers, without showing them.

import { byId } from './dom.js';
import { setMessage } from './i18n.js';

export function announce(name, fields) {
  setMessage(byId('status'), name, fields);
}
