// What a pod's annotations may ask for its guest, and how what is wrong is answered.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { describeFieldErrors } from '../errors/index.ts';
import { ANNOTATED_LIMITS, egressRuleProblem, GUEST_ANNOTATIONS, type GuestSettings, lookupNameProblem, NO_SETTINGS, readGuestAnnotations, readLimit, readResourceLimits, RESOURCE_LIMITS } from './index.ts';

const read = (annotations: Readonly<Record<string, string>>): ReturnType<typeof readGuestAnnotations> => readGuestAnnotations(Object.fromEntries(Object.entries(annotations).map(([name, text]) => [`copepod.dev/${name}`, text])), 'metadata.annotations');

/** Every annotation: texts with what each sets, and texts that are refused. */
const CASES: Readonly<Record<string, { readonly good: readonly (readonly [string, Partial<GuestSettings>])[]; readonly bad: readonly string[] }>> = {
  egress: {
    good: [['', { egress: [] }], ['a.example.com:443, *.b.example:80,', { egress: ['a.example.com:443', '*.b.example:80'] }], ['10.0.0.0/8:*,[2001:db8::]/32:53', { egress: ['10.0.0.0/8:*', '[2001:db8::]/32:53'] }]],
    bad: ['example.com', 'example.com:443, other.example'],
  },
  names: { good: [['db.example.com,*.internal', { names: ['db.example.com', '*.internal'] }]], bad: ['db.example.com:5432', '*', '10.0.0.1'] },
  clocks: { good: [['nanosecond', { clocks: 'nanosecond' }], ['millisecond', { clocks: 'millisecond' }]], bad: ['', 'ns'] },
  stdin: { good: [['a line\n', { stdin: 'a line\n' }]], bad: [] },
  config: { good: [['app-config', { config: 'app-config' }]], bad: ['', 'App Config'] },
  keyvalue: {
    good: [
      ['default', { buckets: [{ name: 'default', maxBytes: 16 * 2 ** 20 }] }],
      ['a, b:64Mi:ttl=1h,c:ttl=90s', { buckets: [{ name: 'a', maxBytes: 16 * 2 ** 20 }, { name: 'b', maxBytes: 64 * 2 ** 20, ttlMs: 3_600_000 }, { name: 'c', maxBytes: 16 * 2 ** 20, ttlMs: 90_000 }] }],
    ],
    bad: ['a,a', '../etc', 'A', 'a:1', 'a:64Mi:ttl=soon', 'a:ttl=0s', 'a:8Gi', 'a/b'],
  },
  reuse: {
    good: [
      ['request', { reuse: { is: 'request' } }], ['pooled', { reuse: { is: 'pooled', max: 128, idleMs: 30_000, concurrent: 1 } }],
      ['pooled()', { reuse: { is: 'pooled', max: 128, idleMs: 30_000, concurrent: 1 } }],
      ['pooled(max=1000, idle=5m, concurrent=8)', { reuse: { is: 'pooled', max: 1000, idleMs: 300_000, concurrent: 8 } }],
    ],
    bad: ['', 'always', 'pooled(max=0)', 'pooled(idle=soon)', 'pooled(size=3)', 'pooled(max=1', 'pooled(concurrent=100000)'],
  },
  warm: { good: [['4', { warm: 4 }], ['0', { warm: 0 }]], bad: ['-1', '65', '1.5', 'many'] },
  'access-log': { good: [['true', { accessLog: true }], ['false', { accessLog: false }]], bad: ['yes', ''] },
  'request-timeout': { good: [['500ms', { limits: { requestTimeoutMs: 500 } }], ['1m30s', { limits: { requestTimeoutMs: 90_000 } }]], bad: ['30', '0s', '25h', 'never'] },
  'limit.concurrency': { good: [['10', { limits: { concurrency: 10 } }]], bad: ['0', '1e3'] },
  'limit.request-body': { good: [['1Mi', { limits: { requestBodyBytes: 2 ** 20 } }], ['0', { limits: { requestBodyBytes: 0 } }]], bad: ['2Ti', 'big'] },
  'limit.response-body': { good: [['1Gi', { limits: { responseBodyBytes: 2 ** 30 } }]], bad: ['-1'] },
  'limit.headers': { good: [['8Ki', { limits: { headerBytes: 8192 } }]], bad: ['1'] },
  'limit.log-rate': { good: [['64Ki', { limits: { logBytesPerSecond: 65_536 } }]], bad: ['0'] },
  'limit.handles': { good: [['64', { limits: { handles: 64 } }]], bad: ['7'] },
  'limit.sockets': { good: [['0', { limits: { sockets: 0 } }]], bad: ['65537'] },
  'limit.files': { good: [['8', { limits: { files: 8 } }]], bad: ['-8'] },
  'limit.egress-connections': { good: [['1', { limits: { egressConnections: 1 } }]], bad: ['x'] },
  'limit.table-elements': { good: [['1000', { limits: { tableElements: 1000 } }]], bad: ['40000'] },
};

test('every annotation has a case here', () => {
  assert.deepEqual(GUEST_ANNOTATIONS, Object.keys(CASES).map((name) => `copepod.dev/${name}`));
});

for (const [name, { good, bad }] of Object.entries(CASES)) {
  test(`${name}: what is right is read, and what is wrong is answered with how it is written`, () => {
    for (const [text, set] of good) assert.deepEqual(read({ [name]: text }), { settings: { ...NO_SETTINGS, ...set }, errors: [] }, text);
    for (const text of bad) {
      const { settings, errors } = read({ [name]: text });
      assert.deepEqual([settings, errors.map((error) => [error.field, error.reason])], [NO_SETTINGS, [[`metadata.annotations[copepod.dev/${name}]`, 'FieldValueInvalid']]], text);
      assert.match(errors[0]?.message ?? '', /must|write|named twice/, text);
    }
  });
}

test('annotations that are no one\'s are left alone, and one that looks like ours is refused with what was meant', () => {
  assert.deepEqual(readGuestAnnotations({ 'example.com/egress': '?', note: 'x' }, 'metadata.annotations'), { settings: NO_SETTINGS, errors: [] });
  const { errors } = read({ egres: 'a:1', 'limit.requestbody': '1', zebra: 'x' });
  assert.deepEqual(errors.map((error) => error.message), [
    'unknown field "metadata.annotations[copepod.dev/egres]", did you mean "copepod.dev/egress"?',
    'unknown field "metadata.annotations[copepod.dev/limit.requestbody]", did you mean "copepod.dev/limit.request-body"?',
    'unknown field "metadata.annotations[copepod.dev/zebra]"',
  ]);
});

test('several annotations add up, and limits do not take each other\'s place', () => {
  const { settings } = read({ warm: '2', 'limit.files': '1', 'limit.sockets': '2', 'request-timeout': '1s' });
  assert.deepEqual(settings, { ...NO_SETTINGS, warm: 2, limits: { files: 1, sockets: 2, requestTimeoutMs: 1000 } });
});

test('an egress rule names a host, a domain or a network, and a port', () => {
  for (const rule of ['localhost:80', 'a_b.example.com:443', 'example.com.:443', '*.example.com:*', '127.0.0.1:6379', '0.0.0.0/0:443', '[::1]:9', '[fe80::]/10:*']) assert.equal(egressRuleProblem(rule), undefined, rule);
  for (const rule of ['', ':80', '*:80', '*.*.com:80', 'a*.com:80', 'example.com:0', 'example.com:65536', 'example.com:http', 'exa mple.com:80', '10.0.0.0/33:80', '10.0.0.0/x:80', '300.0.0.1:80', '::1:80', '[::1]', '[::g]:1', 'host/8:80', 'http://example.com:80']) {
    assert.match(egressRuleProblem(rule) ?? '', /; write host:port/, rule);
  }
  assert.equal(lookupNameProblem('*.example.com'), undefined);
});

test('limits of memory and CPU are read from a container\'s resources, within what the engine can hold', () => {
  assert.deepEqual(readResourceLimits({ memory: '128Mi', cpu: '250m' }, 'f'), { limits: { memoryBytes: 2 ** 27, cpuMillis: 250 }, errors: [] });
  assert.deepEqual(readResourceLimits({ cpu: '0.5' }, 'f').limits, { cpuMillis: 500 });
  assert.deepEqual(readResourceLimits({ cpu: 2, 'example.com/gpu': '1' }, 'f'), { limits: { cpuMillis: 2000 }, errors: [] });
  assert.deepEqual(readResourceLimits(undefined, 'f'), { limits: {}, errors: [] });
  const { limits, errors } = readResourceLimits({ memory: '8Gi', cpu: '0' }, 'f');
  assert.deepEqual(limits, {});
  assert.equal(describeFieldErrors(errors), '[f[memory]: Invalid value: "8Gi": must be 64Ki to 1Gi, e.g. 64Ki or 1Mi, f[cpu]: Invalid value: "0": must be 1m to 1000, e.g. 250m or 0.5]');
});

test('every limit can be asked for once, at both of its ends', () => {
  const all = [...RESOURCE_LIMITS.values(), ...ANNOTATED_LIMITS.values()];
  assert.equal(new Set(all.map((range) => range.field)).size, all.length);
  const write = { bytes: (value: number) => String(value), millicores: (value: number) => `${value}m`, milliseconds: (value: number) => `${value}ms`, pieces: (value: number) => String(value) };
  for (const range of all) {
    for (const value of [range.least, range.most]) assert.equal(readLimit(range, write[range.unit](value)), value, range.field);
    assert.equal(typeof readLimit(range, write[range.unit](range.most + 1)), 'string', range.field);
  }
});
