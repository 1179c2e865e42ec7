// @vitest-environment happy-dom
import { expect, it } from 'vitest'

import { dropToken } from '@/api/session'

import { router } from './router'

function scrolled(to: string, from: string) {
  return router.options.scrollBehavior?.(router.resolve(to) as never, router.resolve(from) as never, null)
}

it('begins a page at its top, and stays where it is when only a step is opened', () => {
  expect(scrolled('/runs/1', '/runs')).toEqual({ top: 0 })
  expect(scrolled('/runs/1?step=90.1', '/runs/1')).toBe(false)
})

it('leads people who are not signed in to the sign-in page, and remembers where they wanted to go', async () => {
  dropToken()
  await router.push('/runs?status=failed')
  expect(router.currentRoute.value).toMatchObject({ name: 'sign-in', query: { next: '/runs?status=failed' } })
})
