/** The person who is signed in, read once per session. */
import { shallowRef } from 'vue'

import { readMe } from '@/api/auth'
import type { User } from '@/api/model'
import { dropToken } from '@/api/session'

export const person = shallowRef<User>()

/** Whoever was there before is forgotten first. */
export async function loadPerson(): Promise<void> {
  person.value = undefined
  person.value = await readMe()
}

export function forgetPerson(): void {
  person.value = undefined
  dropToken()
}
