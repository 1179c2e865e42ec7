/** Where to go after signing in: an address of this console, never another site. */
export function nextPath(wanted: unknown): string {
  return typeof wanted === 'string' && /^\/(?![/\\])/.test(wanted) ? wanted : '/flows'
}
