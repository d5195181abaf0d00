// What `image:` may say.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ImageError, parseImage } from './index.ts';

test('each form of an image is read', () => {
  const digest = `sha256:${'a'.repeat(64)}`;
  assert.deepEqual(parseImage('file:///srv/my%20app.wasm'), { is: 'file', path: '/srv/my app.wasm' });
  assert.deepEqual(parseImage('oci:///srv/layout'), { is: 'oci', path: '/srv/layout', tag: undefined });
  assert.deepEqual(parseImage('oci:///srv/layout:v1'), { is: 'oci', path: '/srv/layout', tag: 'v1' });
  assert.deepEqual(parseImage('web'), { is: 'name', name: 'web', reference: 'latest' });
  assert.deepEqual(parseImage('team/web:v1.2'), { is: 'name', name: 'team/web', reference: 'v1.2' });
  assert.deepEqual(parseImage(`web@${digest}`), { is: 'name', name: 'web', reference: digest });
});

test('anything else is refused with what may be written', () => {
  for (const text of ['', 'Web', 'web:', 'web@sha256:short', 'file://relative.wasm', 'oci://x', 'a b', '../../etc']) {
    assert.throws(() => parseImage(text), (error) => error instanceof ImageError && error.code === 'InvalidImageName', text);
  }
});
