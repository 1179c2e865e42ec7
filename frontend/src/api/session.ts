/** Who is signed in: the token in memory, kept for the tab (sessionStorage), gone when the tab closes. */
import { readonly, shallowRef } from 'vue'

const KEY = 'intellyhub.token'

const token = shallowRef<string | null>(sessionStorage.getItem(KEY))
const listeners = new Set<() => void>()

export const currentToken = readonly(token)

export function keepToken(value: string): void {
  token.value = value
  sessionStorage.setItem(KEY, value)
}

export function dropToken(): void {
  token.value = null
  sessionStorage.removeItem(KEY)
}

/** Called once when the platform no longer knows the token; the router leads to the sign-in page. */
export function onExpired(listener: () => void): void {
  listeners.add(listener)
}

/** The platform answered 401 to a request that carried this token. */
export function expire(refused: string): void {
  // A late answer to a request of the session before must not end the new one.
  if (token.value !== refused) return
  dropToken()
  for (const listener of listeners) listener()
}
