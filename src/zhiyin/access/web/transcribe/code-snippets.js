// "Use it from code": ready lines with this server's own address and the chosen model.

import { address } from '../shared/api.js';
import { byId } from '../shared/dom.js';
import { copyWith } from '../shared/export.js';

const curl = () => `curl ${address('recognize')} -F file=@speech.mp3`;

const python = (model) => `from openai import OpenAI

client = OpenAI(base_url="${address('v1')}", api_key="none")
with open("speech.mp3", "rb") as speech:
    answer = client.audio.transcriptions.create(model="${model}", file=speech)
print(answer.text)`;

export function fillSnippets(model) {
  byId('code-curl').textContent = curl();
  byId('code-python').textContent = python(model || 'whisper-1');
}

export function bindSnippets() {
  for (const button of document.querySelectorAll('[data-copies]')) {
    const source = byId(button.dataset.copies);
    button.addEventListener('click', () => copyWith(button, source.textContent));
  }
}
