// Something a pod names is not there or not to be had on this node: reason CreateContainerConfigError.

export class ConfigError extends Error {
  override readonly name = 'ConfigError';
}
