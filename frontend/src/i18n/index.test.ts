// @vitest-environment happy-dom
import { beforeEach, expect, it, vi } from 'vitest'

import { preferredLocale } from '@/i18n'

beforeEach(() => localStorage.clear())

it.each([
  { languages: ['de-DE', 'it-IT', 'en'], locale: 'it' },
  { languages: ['fr'], locale: 'en' },
])('is the first language of the browser that we speak: $languages', ({ languages, locale }) => {
  vi.spyOn(navigator, 'languages', 'get').mockReturnValue(languages)
  expect(preferredLocale()).toBe(locale)
})

it('is the one kept from last time', () => {
  vi.spyOn(navigator, 'languages', 'get').mockReturnValue(['en'])
  localStorage.setItem('intellyhub.language', 'it')
  expect(preferredLocale()).toBe('it')
})
