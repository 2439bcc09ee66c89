// Commands of docker for the image of a build, for the clipboard.
import { Clipboard } from "@jupyterlab/apputils";
import type { Image } from "../shapes";

/** The image by its digest: the same bytes for ever. Null until it has been made. */
export function byDigest(image: Image): string | null {
  if (!image.digest) return null;
  // The host may name a port: the tag is behind the last slash.
  const slash = image.image.lastIndexOf("/");
  const colon = image.image.indexOf(":", slash);
  return `${colon < 0 ? image.image : image.image.slice(0, colon)}@${image.digest}`;
}

/** `docker run` or `docker pull` of an image; null until it has the digest that is asked for. */
export function command(image: Image, how: "run" | "pull", isByDigest: boolean): string | null {
  const reference = isByDigest ? byDigest(image) : image.image;
  if (!reference) return null;
  return how === "run" ? `docker run -it --rm ${reference}` : `docker pull ${reference}`;
}

/** Put `text` into the clipboard. Browsers give it to secure origins only; the old way works elsewhere. */
export async function copy(text: string): Promise<void> {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    Clipboard.copyToSystem(text);
  }
}
