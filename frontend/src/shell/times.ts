/** Times and durations in the reader's language. */
import { computed, onScopeDispose, shallowRef, type Ref } from 'vue'

import { locale } from '@/i18n'

const UNITS: readonly [Intl.RelativeTimeFormatUnit, number][] = [
  ['day', 86_400_000],
  ['hour', 3_600_000],
  ['minute', 60_000],
  ['second', 1_000],
]

/** "3 minutes ago", "in 2 hours". */
export function relativeTime(at: string, nowMs: number, language: string): string {
  const distance = Date.parse(at) - nowMs
  const format = new Intl.RelativeTimeFormat(language, { numeric: 'auto', style: 'short' })
  for (const [unit, size] of UNITS) {
    if (Math.abs(distance) >= size) return format.format(Math.trunc(distance / size), unit)
  }
  return format.format(0, 'second')
}

/** "12 ms", "3.4 s", "5 min 12 s", "2 h 5 min". */
export function duration(ms: number, language: string): string {
  const number = (value: number, digits = 0) =>
    new Intl.NumberFormat(language, { maximumFractionDigits: digits }).format(value)
  if (ms < 1000) return `${number(ms, ms < 10 ? 1 : 0)} ms`
  if (ms < 60_000) return `${number(ms / 1000, 1)} s`
  const minutes = Math.floor(ms / 60_000)
  if (minutes < 60) return `${minutes} min ${Math.floor((ms % 60_000) / 1000)} s`
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`
}

const now = shallowRef(Date.now())
let watchers = 0
let timer: ReturnType<typeof setInterval> | undefined

/** The present, in ms, which moves on once a second while somebody looks. */
export function useNow(): Ref<number> {
  if (watchers++ === 0) {
    now.value = Date.now()
    timer = setInterval(() => (now.value = Date.now()), 1000)
  }
  onScopeDispose(() => {
    if (--watchers === 0) clearInterval(timer)
  })
  return now
}

export type Times = ReturnType<typeof useTimes>

export function useTimes() {
  const moment = useNow()
  return {
    ago: (at: string) => relativeTime(at, moment.value, locale.value),
    took: (ms: number) => duration(ms, locale.value),
    since: (at: string) => duration(Math.max(0, moment.value - Date.parse(at)), locale.value),
    exact: computed(() => {
      const format = new Intl.DateTimeFormat(locale.value, { dateStyle: 'medium', timeStyle: 'medium' })
      return (at: string) => format.format(new Date(at))
    }),
  }
}
