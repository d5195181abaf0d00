// Of WASI 0.3: a handler whose promise nobody settles.
import { Fields } from 'wasi:http/types@0.3.0';

export const handler = {
  handle() {
    return new Promise(() => new Fields());
  },
};
