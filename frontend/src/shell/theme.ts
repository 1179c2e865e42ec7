/** Light, dark, or what the system says. */
import { shallowRef, watch } from 'vue'

export type Theme = 'system' | 'light' | 'dark'
export const THEMES: readonly Theme[] = ['system', 'light', 'dark']

const KEY = 'intellyhub.theme'

export const theme = shallowRef<Theme>(THEMES.find((name) => name === localStorage.getItem(KEY)) ?? 'system')

export function followTheme(): void {
  watch(
    theme,
    (chosen) => {
      localStorage.setItem(KEY, chosen)
      if (chosen === 'system') delete document.documentElement.dataset.theme
      else document.documentElement.dataset.theme = chosen
    },
    { immediate: true },
  )
}
