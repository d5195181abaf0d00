// What `image:` may say: `file:///path`, `oci:///layout[:tag]`, or a name in the cluster's own store.

export type Image =
  | { readonly is: 'file'; readonly path: string }
  | { readonly is: 'oci'; readonly path: string; readonly tag: string | undefined }
  | { readonly is: 'name'; readonly name: string; readonly reference: string };

/** Why a component could not be had; each is a reason in the pod's status. */
export type ImageErrorCode = 'InvalidImageName' | 'ErrImagePull' | 'ErrImageNeverPull';

export class ImageError extends Error {
  override readonly name = 'ImageError';
  readonly code: ImageErrorCode;
  constructor(code: ImageErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** ImageError InvalidImageName. */
export function parseImage(text: string): Image {
  if (text.startsWith('file://')) return { is: 'file', path: absolute(text, text.slice('file://'.length)) };
  if (text.startsWith('oci://')) {
    const [, path = '', tag] = /^(.*?)(?::([^/:]+))?$/.exec(text.slice('oci://'.length)) ?? [];
    return { is: 'oci', path: absolute(text, path), tag };
  }
  const digest = /^([^@]+)@(sha256:[0-9a-f]{64})$/.exec(text);
  if (digest !== null) return { is: 'name', name: digest[1] ?? '', reference: digest[2] ?? '' };
  const named = /^([a-z0-9]+(?:[._/-][a-z0-9]+)*)(?::([A-Za-z0-9_][A-Za-z0-9._-]{0,127}))?$/.exec(text);
  if (named === null) throw new ImageError('InvalidImageName', `couldn't read the image ${JSON.stringify(text)}: write file:///path/x.wasm, oci:///path/layout:tag, or a name that "copepod deploy" pushed`);
  return { is: 'name', name: named[1] ?? '', reference: named[2] ?? 'latest' };
}

function absolute(text: string, path: string): string {
  if (!path.startsWith('/')) throw new ImageError('InvalidImageName', `the path of ${JSON.stringify(text)} must be absolute: ${text.replace('://', ':///')}`);
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}
