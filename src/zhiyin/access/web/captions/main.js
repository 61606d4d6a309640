// The caption view of a room: for projectors, and as a browser source over a picture.

import { CaptionLines } from './caption-lines.js';
import { byId, show } from '../shared/dom.js';
import { messageFor, onLanguage, render, say, sayPlain, switchLanguage, t } from '../shared/i18n.js';
import { Link } from '../shared/connection.js';
import { bindLooks, wake } from './appearance.js';
import { isRoom, roomPath } from './rooms.js';

const room = lastPart(window.location.pathname);
const lines = new CaptionLines(byId('lines'), byId('spoken'));

function lastPart(path) {
  try {
    return decodeURIComponent(path.split('/').pop());
  } catch {
    return '';
  }
}

function setTrouble(title, detail, fields) {
  show(byId('trouble'));
  say(byId('trouble-title'), title);
  say(byId('trouble-detail'), detail, fields);
}

function setState(name) {
  if (name) say(byId('state'), name, { room });
  else sayPlain(byId('state'), '');
}

function refused({ code, message }) {
  setTrouble('captions.refused', messageFor(code), { message });
}

function heard(message) {
  if (message.type === 'error') {
    refused(message.error);
  } else if (message.type === 'history') {
    link.settle();
    show(byId('trouble'), false);
    lines.replay(message.captions);
    setState(lines.isEmpty ? 'captions.waiting' : null);
  } else if (message.type === 'caption') {
    lines.show(message);
    setState(null);
  } else if (message.type === 'end') {
    setState('captions.ended');
  }
}

let link = null;

function connect() {
  const token = new URLSearchParams(window.location.search).get('token');
  setState('captions.connecting');
  link = new Link(roomPath(room, { role: 'viewer', token }), {
    opened: () => {},
    message: heard,
    lost: () => setState('captions.lost'),
  });
}

bindLooks();
wake();
byId('ui-language').addEventListener('click', switchLanguage);
onLanguage(() => { document.title = t('captions.title', { room }); });
render();
if (isRoom(room)) connect();
else setTrouble('captions.badRoom', 'captions.badRoomHint');
