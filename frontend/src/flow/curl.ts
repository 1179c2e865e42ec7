/** Commands that people paste into a POSIX shell. */

export interface CurlOptions {
  headers?: readonly string[]
  body: unknown
}

/** Values are in single quotes; a header with a `$VARIABLE` is in double quotes, so that the shell puts it in. */
export function curlOf(url: string, { headers = [], body }: CurlOptions): string {
  const lines = [
    `curl ${single(url)}`,
    ...headers.map((header) => `-H ${header.includes('$') ? `"${header}"` : single(header)}`),
    `-H ${single('Content-Type: application/json')}`,
    `-d ${single(JSON.stringify(body))}`,
  ]
  return lines.join(' \\\n  ')
}

function single(text: string): string {
  return `'${text.replaceAll("'", String.raw`'\''`)}'`
}
