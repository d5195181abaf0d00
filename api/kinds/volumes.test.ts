// Volumes: what a pod may mount, and how what it may not is named.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { FieldError } from '../errors/index.ts';
import type { PodSpec } from './types.generated.ts';
import { tidy, validateVolumes } from './volumes.ts';

function judge(volumes: PodSpec['volumes'], volumeMounts: PodSpec['containers'][number]['volumeMounts'] = []): readonly FieldError[] {
  return validateVolumes({ containers: [{ name: 'web', image: 'web', volumeMounts }], volumes }, 'spec');
}
const fields = (errors: readonly FieldError[]): readonly string[] => errors.map((error) => error.field);

test('directories of the node, ConfigMaps and Secrets may be mounted', () => {
  const volumes = [
    { name: 'cache', emptyDir: {} }, { name: 'config', configMap: { name: 'app', items: [{ key: 'a', path: 'deep/er/a.json' }], optional: true, defaultMode: 0o400 } },
    { name: 'keys', secret: { secretName: 'tls' } }, { name: 'data', hostPath: { path: '/srv/data', type: 'DirectoryOrCreate' } },
  ];
  const mounts = volumes.map(({ name }) => ({ name, mountPath: `/${name}` }));
  assert.deepEqual(judge(volumes, [...mounts, { name: 'data', mountPath: '/again', readOnly: true, mountPropagation: 'None' }]), []);
});

test('another type of volume, none, or two are refused by name', () => {
  assert.deepEqual(judge([{ name: 'a', nfs: { server: 's', path: '/' } }]).map(({ field, message }) => `${field}: ${message}`), [
    'spec.volumes[0].nfs: Forbidden: volumes of this type are not supported; there are configMap, emptyDir, hostPath, secret',
  ]);
  assert.deepEqual(fields(judge([{ name: 'a', projected: {} }, { name: 'b', downwardAPI: {} }, { name: 'c', persistentVolumeClaim: { claimName: 'x' } }])), ['spec.volumes[0].projected', 'spec.volumes[1].downwardAPI', 'spec.volumes[2].persistentVolumeClaim']);
  assert.deepEqual(fields(judge([{ name: 'a' }, { name: 'b', emptyDir: {}, secret: { secretName: 's' } }])), ['spec.volumes[0]', 'spec.volumes[1]']);
});

test('what cannot be held is refused rather than ignored', () => {
  assert.deepEqual(fields(judge([{ name: 'a', emptyDir: { medium: 'Memory', sizeLimit: '1Mi' } }])), ['spec.volumes[0].emptyDir.medium', 'spec.volumes[0].emptyDir.sizeLimit']);
  assert.deepEqual(fields(judge([{ name: 'a', hostPath: { path: 'srv', type: 'Socket' } }, { name: 'b', hostPath: { path: '/srv/../etc' } }])), ['spec.volumes[0].hostPath.path', 'spec.volumes[0].hostPath.type', 'spec.volumes[1].hostPath.path']);
  assert.deepEqual(fields(judge([{ name: 'a', emptyDir: {} }], [{ name: 'a', mountPath: '/a', subPath: 'x' }, { name: 'a', mountPath: '/b', mountPropagation: 'Bidirectional' }])), ['spec.containers[0].volumeMounts[0].subPath', 'spec.containers[0].volumeMounts[1].mountPropagation']);
});

test('names and paths are judged where they stand', () => {
  const items = [{ key: 'a', path: '../a' }, { key: '', path: 'x' }, { key: 'b', path: 'x' }, { key: 'c', path: '/c' }];
  assert.deepEqual(fields(judge([{ name: 'Bad', configMap: { items } }, { name: 'b', secret: { secretName: 'Upper' } }, { name: 'b', emptyDir: {} }])), [
    'spec.volumes[0].name', 'spec.volumes[0].configMap.name', 'spec.volumes[0].configMap.items[0].path', 'spec.volumes[0].configMap.items[1].key', 'spec.volumes[0].configMap.items[2].path', 'spec.volumes[0].configMap.items[3].path',
    'spec.volumes[1].secret.secretName', 'spec.volumes[2].name',
  ]);
  assert.deepEqual(judge([{ name: 'a', emptyDir: {} }], [{ name: 'b', mountPath: '/a' }, { name: 'a', mountPath: '/a/' }, { name: 'a', mountPath: 'a' }]).map(({ field, message }) => `${field}: ${message}`), [
    'spec.containers[0].volumeMounts[0].name: Invalid value: "b": there is no volume of this name; there are a',
    'spec.containers[0].volumeMounts[1].mountPath: Invalid value: "/a/": must be unique',
    "spec.containers[0].volumeMounts[2].mountPath: Invalid value: \"a\": must be an absolute path without '..'",
  ]);
});

test('a mount path has no slash at its end', () => {
  assert.deepEqual(['/a/', '//a//b/', '/', '/a'].map(tidy), ['/a', '/a/b', '/', '/a']);
});
