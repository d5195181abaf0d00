// Of WASI 0.3: fills the host with sets of headers.
import { Fields } from 'wasi:http/types@0.3.0';

const kept = [];

export const handler = {
  async handle() {
    for (;;) kept.push(new Fields());
  },
};
