/** The console's languages; a language's texts are fetched when it is first chosen. */
import { computed } from 'vue'
import { createI18n } from 'vue-i18n'

import en from './en.json'

export type Messages = typeof en
export type Locale = 'en' | 'it'
export const LOCALES: readonly { locale: Locale; name: string }[] = [
  { locale: 'en', name: 'English' },
  { locale: 'it', name: 'Italiano' },
]

const KEY = 'intellyhub.language'
const loaders: Record<Locale, () => Promise<{ default: Messages }>> = {
  en: () => Promise.resolve({ default: en }),
  it: () => import('./it.json'),
}

export const i18n = createI18n({
  legacy: false,
  locale: 'en',
  fallbackLocale: 'en',
  messages: { en } as Record<Locale, Messages>,
})

export const locale = computed<Locale>(() => i18n.global.locale.value as Locale)

export async function chooseLocale(chosen: Locale): Promise<void> {
  i18n.global.setLocaleMessage(chosen, (await loaders[chosen]()).default)
  i18n.global.locale.value = chosen
  document.documentElement.lang = chosen
  localStorage.setItem(KEY, chosen)
}

/** The language kept from last time, else the first of the browser's that we speak. */
export function preferredLocale(): Locale {
  const wanted = [localStorage.getItem(KEY), ...navigator.languages.map((tag) => tag.slice(0, 2))]
  const spoken = wanted.flatMap((tag) => LOCALES.filter((language) => language.locale === tag))
  return spoken[0]?.locale ?? 'en'
}
