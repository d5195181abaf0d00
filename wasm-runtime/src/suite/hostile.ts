// Guests that mean ill, each beside a neighbour that must keep answering.

import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { type Hostile, hostileGuests, runHostile } from './hostile-guests.ts';
import { GUESTS, type Stage } from './stage.ts';

const FOLDER = join(GUESTS, 'hostile');

export function hostileTests(at: () => Stage): void {
  let guests: ReadonlyMap<string, Hostile> = new Map();
  before(async () => {
    guests = new Map((await hostileGuests(at().runtime.engine.name)).map((hostile) => [hostile.name, hostile]));
  });
  const names = readdirSync(FOLDER).sort();

  test('there are at least forty, each says what it tries, and what is different on V8 has a reason', () => {
    assert.ok(names.length >= 40, `${names.length}`);
    for (const name of names) {
      const source = readdirSync(join(FOLDER, name)).find((file) => file !== 'expect.json') ?? '';
      assert.match(readFileSync(join(FOLDER, name, source), 'utf8'), /^(;;|\/\/) [A-Z].*\.\n/, name);
    }
    for (const { name, expect } of guests.values()) assert.ok(expect.jco === undefined || expect.jco.because.length > 10, name);
  });

  for (const name of names) {
    test(`ends as it must: ${name}`, async (context) => {
      const hostile = guests.get(name);
      assert.ok(hostile !== undefined);
      const stage = at();
      await runHostile(hostile, { stage, context, neighbour: await stage.serve(context, 'hello') });
    });
  }
}
