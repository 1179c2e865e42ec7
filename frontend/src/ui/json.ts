/** JSON as people type and read it. */
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

/** A value as people read it: texts without their quotes. */
export function showJson(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value, null, 2)
}
