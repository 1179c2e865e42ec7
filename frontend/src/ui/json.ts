/** Reading the JSON objects that people type. */
import type { JsonObject } from '@/api/model'

export interface ReadJson {
  /** Undefined for an empty text. */
  value?: JsonObject
  /** `notAnObject`, or what the parser says. */
  problem?: string
}

export function readJsonObject(text: string): ReadJson {
  if (!text.trim()) return {}
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return { problem: 'notAnObject' }
    return { value: value as JsonObject }
  } catch (fault) {
    return { problem: (fault as SyntaxError).message }
  }
}
