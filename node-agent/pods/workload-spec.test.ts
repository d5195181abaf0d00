// A pod as what its workload is given and how far it may go.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Pod } from '@copepod/api/kinds';
import { DEFAULT_LIMITS, NO_GRANTS } from '../runtime/index.ts';
import { ConfigError } from './config-error.ts';
import { type PodRequest, workloadSpec } from './workload-spec.ts';

type Container = PodRequest['container'];

function request(annotations: Readonly<Record<string, string>>, container: Partial<Container> = {}, change: Partial<PodRequest> = {}): PodRequest {
  const whole = { name: 'web', image: 'web', ...container };
  const pod: Pod = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'web', namespace: 'shop', annotations }, spec: { containers: [whole] } };
  return { pod, container: whole, kind: 'command', podIP: '127.128.0.5', env: {}, config: {}, mounts: [], bucketFolder: '/buckets/shop', ...change };
}

test('a pod that asks for nothing is given its name, the way to Services, and the default limits', () => {
  assert.deepEqual(workloadSpec(request({})), {
    grants: { ...NO_GRANTS, args: ['web'], address: '127.128.0.5', searchDomains: ['shop.svc.cluster.local', 'svc.cluster.local', 'cluster.local'] },
    limits: DEFAULT_LIMITS, reuse: { is: 'request' }, warm: 0, accessLog: false,
  });
});

test('what the pod asks for is granted, and no more', () => {
  const annotations = {
    'copepod.dev/egress': 'api.example.com:443', 'copepod.dev/names': '*.example.com', 'copepod.dev/clocks': 'nanosecond', 'copepod.dev/stdin': 'go\n', 'copepod.dev/config': 'settings',
    'copepod.dev/keyvalue': 'default,sessions:1Mi:ttl=1h', 'copepod.dev/reuse': 'pooled(max=10,concurrent=4)', 'copepod.dev/warm': '2', 'copepod.dev/access-log': 'true',
  };
  const mounts = [{ host: '/x', guest: '/data', writable: false }];
  const { grants, ...rest } = workloadSpec(request(annotations, { command: ['run'], args: ['-v'] }, { env: { A: '1' }, config: { color: 'blue' }, mounts }));
  assert.deepEqual(grants, {
    args: ['run', '-v'], env: { A: '1' }, stdin: 'go\n', mounts, searchDomains: ['shop.svc.cluster.local', 'svc.cluster.local', 'cluster.local'],
    egress: ['api.example.com:443'], names: ['*.example.com'], address: '127.128.0.5', listen: [], config: { color: 'blue' }, clocks: 'nanosecond',
    buckets: [{ name: 'default', path: '/buckets/shop/default', maxBytes: 16 * 2 ** 20 }, { name: 'sessions', path: '/buckets/shop/sessions', maxBytes: 2 ** 20, ttlMs: 3_600_000 }],
  });
  assert.deepEqual(rest, { limits: DEFAULT_LIMITS, reuse: { is: 'pooled', max: 10, idleMs: 30_000, concurrent: 4 }, warm: 2, accessLog: true });
});

test('resources and annotations bound it, and the rest stays as it is by default', () => {
  const { limits } = workloadSpec(request({ 'copepod.dev/request-timeout': '1500ms', 'copepod.dev/limit.files': '3' }, { resources: { limits: { memory: '16Mi', cpu: '250m' } } }));
  assert.deepEqual(limits, { ...DEFAULT_LIMITS, memoryBytes: 2 ** 24, cpuMillis: 250, requestTimeoutMs: 1500, files: 3 });
});

test('a command listens on its container ports at the pod\'s address; a service is handed its requests and listens nowhere', () => {
  const ports = [{ containerPort: 53, protocol: 'UDP' }, { containerPort: 7000 }];
  assert.deepEqual(workloadSpec(request({}, { ports })).grants.listen, [{ transport: 'udp', port: 53 }, { transport: 'tcp', port: 7000 }]);
  assert.deepEqual(workloadSpec(request({}, { ports }, { kind: 'service' })).grants.listen, []);
  assert.equal('address' in workloadSpec(request({}, { ports }, { podIP: '' })).grants, false);
});

test('annotations that cannot be read are named', () => {
  assert.throws(() => workloadSpec(request({ 'copepod.dev/warm': 'much' })), (error) => error instanceof ConfigError && /metadata\.annotations\[copepod\.dev\/warm\]: Invalid value/.test(error.message));
});
