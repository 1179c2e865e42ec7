/** Signing in, and who one is then. */
import { api, bodyOf } from './client'
import type { User } from './model'
import { keepToken } from './session'

export interface Registration {
  email: string
  password: string
  name: string
  organisation: string
}

export async function signIn(email: string, password: string): Promise<void> {
  const session = await bodyOf(api.POST('/api/auth/login', { body: { email, password } }))
  keepToken(session.access_token)
}

export async function register(registration: Registration): Promise<void> {
  const session = await bodyOf(api.POST('/api/auth/register', { body: registration }))
  keepToken(session.access_token)
}

export function readMe(): Promise<User> {
  return bodyOf(api.GET('/api/auth/me'))
}
