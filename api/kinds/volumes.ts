// Volumes of a pod and where its container mounts them. A volume is a directory of the node; what a guest cannot be given is refused by name.

import { duplicateField, type FieldError, forbiddenField, invalidField, requiredField, unsupportedField } from '../errors/index.ts';
import { dnsLabelProblem, dnsSubdomainProblem } from '../meta/index.ts';
import type { Container, EmptyDirVolumeSource, HostPathVolumeSource, KeyToPath, PodSpec, Volume } from './types.generated.ts';

/** What a volume may be made of. */
const SOURCES = ['configMap', 'emptyDir', 'hostPath', 'secret'] as const;
/** Each is a directory; what is none cannot be handed to a guest. */
const HOST_PATH_TYPES = ['', 'Directory', 'DirectoryOrCreate'];

/** `field`: where the spec stands. */
export function validateVolumes(spec: PodSpec, field: string): readonly FieldError[] {
  const volumes = spec.volumes ?? [];
  const names = volumes.map((volume) => volume.name);
  return [
    ...volumes.flatMap((volume, index) => [
      ...(names.indexOf(volume.name) < index ? [duplicateField(`${field}.volumes[${index}].name`, volume.name)] : []),
      ...validateVolume(volume, `${field}.volumes[${index}]`),
    ]),
    ...spec.containers.flatMap((container, index) => validateMounts(container, names, `${field}.containers[${index}]`)),
  ];
}

function validateVolume(volume: Volume, field: string): readonly FieldError[] {
  const errors: FieldError[] = [];
  const named = dnsLabelProblem(volume.name);
  if (named !== undefined) errors.push(invalidField(`${field}.name`, volume.name, named));
  const given = Object.entries(volume).filter(([key, value]) => key !== 'name' && value !== undefined).map(([key]) => key);
  const others = given.filter((key) => !SOURCES.some((known) => known === key));
  errors.push(...others.map((key) => forbiddenField(`${field}.${key}`, `volumes of this type are not supported; there are ${SOURCES.join(', ')}`)));
  if (given.length === 0) errors.push(requiredField(field, `must be one of ${SOURCES.join(', ')}`));
  if (given.length > 1) errors.push(forbiddenField(field, 'may not specify more than 1 volume type'));
  if (volume.emptyDir !== undefined) errors.push(...validateEmptyDir(volume.emptyDir, `${field}.emptyDir`));
  if (volume.hostPath !== undefined) errors.push(...validateHostPath(volume.hostPath, `${field}.hostPath`));
  if (volume.configMap !== undefined) errors.push(...validateKept(volume.configMap.name, volume.configMap.items, `${field}.configMap`, 'name'));
  if (volume.secret !== undefined) errors.push(...validateKept(volume.secret.secretName, volume.secret.items, `${field}.secret`, 'secretName'));
  return errors;
}

function validateEmptyDir({ medium = '', sizeLimit }: EmptyDirVolumeSource, field: string): readonly FieldError[] {
  return [
    ...(medium === '' ? [] : [forbiddenField(`${field}.medium`, 'an emptyDir is a directory on the node\'s disk; leave the medium out')]),
    ...(sizeLimit === undefined ? [] : [forbiddenField(`${field}.sizeLimit`, 'the size of an emptyDir cannot be bounded; leave it out, or use a key-value bucket (the annotation copepod.dev/keyvalue), which can')]),
  ];
}

function validateHostPath({ path, type = '' }: HostPathVolumeSource, field: string): readonly FieldError[] {
  return [
    ...(path.startsWith('/') && !hasDots(path) ? [] : [invalidField(`${field}.path`, path, "must be an absolute path without '..'")]),
    ...(HOST_PATH_TYPES.includes(type) ? [] : [unsupportedField(`${field}.type`, type, HOST_PATH_TYPES)]),
  ];
}

/** `key`: what the field is called that names the ConfigMap or Secret. */
function validateKept(name: string | undefined, items: readonly KeyToPath[] | undefined, field: string, key: string): readonly FieldError[] {
  const errors: FieldError[] = [];
  const problem = name === undefined || name === '' ? undefined : dnsSubdomainProblem(name);
  if (name === undefined || name === '') errors.push(requiredField(`${field}.${key}`));
  else if (problem !== undefined) errors.push(invalidField(`${field}.${key}`, name, problem));
  for (const [index, item] of (items ?? []).entries()) {
    if (item.key === '') errors.push(requiredField(`${field}.items[${index}].key`));
    if (!isBelow(item.path)) errors.push(invalidField(`${field}.items[${index}].path`, item.path, "must be a relative path without '..'"));
    else if ((items ?? []).findIndex((other) => other.path === item.path) < index) errors.push(duplicateField(`${field}.items[${index}].path`, item.path));
  }
  return errors;
}

function validateMounts(container: Container, volumes: readonly string[], field: string): readonly FieldError[] {
  const mounts = container.volumeMounts ?? [];
  const errors: FieldError[] = [];
  for (const [index, mount] of mounts.entries()) {
    const at = `${field}.volumeMounts[${index}]`;
    if (!volumes.includes(mount.name)) errors.push(invalidField(`${at}.name`, mount.name, `there is no volume of this name${volumes.length === 0 ? '' : `; there are ${volumes.join(', ')}`}`));
    if (!mount.mountPath.startsWith('/') || hasDots(mount.mountPath)) errors.push(invalidField(`${at}.mountPath`, mount.mountPath, "must be an absolute path without '..'"));
    else if (mounts.findIndex((other) => tidy(other.mountPath) === tidy(mount.mountPath)) < index) errors.push(invalidField(`${at}.mountPath`, mount.mountPath, 'must be unique'));
    for (const name of ['subPath', 'subPathExpr'] as const) {
      if ((mount[name] ?? '') !== '') errors.push(forbiddenField(`${at}.${name}`, 'a guest is given whole directories: mount the volume itself, and choose its files by the volume\'s items'));
    }
    if ((mount.mountPropagation ?? 'None') !== 'None') errors.push(unsupportedField(`${at}.mountPropagation`, mount.mountPropagation, ['None']));
  }
  if ((container.volumeDevices ?? []).length > 0) errors.push(forbiddenField(`${field}.volumeDevices`, 'a guest has directories, no devices'));
  return errors;
}

/** A mount path as guests are given it: without a slash at its end. */
export function tidy(path: string): string {
  return path.replaceAll(/\/+/g, '/').replace(/(.)\/$/, '$1');
}

function hasDots(path: string): boolean {
  return path.split('/').includes('..');
}

function isBelow(path: string): boolean {
  return path !== '' && !path.startsWith('/') && path.split('/').every((part) => part !== '' && part !== '.' && part !== '..');
}
