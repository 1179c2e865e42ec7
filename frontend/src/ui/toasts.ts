/** Short notices at the edge of the window, for what cannot be seen where one looks. */
import { shallowRef } from 'vue'

import { toProblem } from '@/api/problem'

export interface Toast {
  id: number
  text: string
  tone: 'plain' | 'bad'
}

export const toasts = shallowRef<readonly Toast[]>([])
let latest = 0

export function toast(text: string, tone: Toast['tone'] = 'plain'): void {
  toasts.value = [...toasts.value, { id: ++latest, text, tone }].slice(-3)
}

/** Tell that an action failed, in the platform's words. */
export function toastFault(fault: unknown): void {
  toast(toProblem(fault).message, 'bad')
}

export function dismiss(id: number): void {
  toasts.value = toasts.value.filter((shown) => shown.id !== id)
}
