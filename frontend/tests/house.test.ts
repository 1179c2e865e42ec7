/** Rules of the house that no compiler checks: languages, texts, sizes, and who may talk to the platform. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

import { parse } from '@vue/compiler-sfc'
import { NodeTypes, type TemplateChildNode } from '@vue/compiler-core'
import { describe, expect, it } from 'vitest'

import en from '@/i18n/en.json'
import it_ from '@/i18n/it.json'

const SOURCES = readdirSync('src', { recursive: true, encoding: 'utf8' }).map((path) => join('src', path))
const COMPONENTS = SOURCES.filter((path) => path.endsWith('.vue'))
const CODE = SOURCES.filter((path) => /\.(vue|ts)$/.test(path) && !path.endsWith('.test.ts'))
const SPOKEN_ATTRIBUTES = new Set(['aria-label', 'placeholder', 'title', 'alt', 'label', 'text', 'description'])

function read(path: string): string {
  return readFileSync(path, 'utf8')
}

function entriesOf(messages: object, prefix = ''): [string, string][] {
  return Object.entries(messages).flatMap(([key, value]: [string, unknown]) =>
    typeof value === 'string' ? [[prefix + key, value] as [string, string]] : entriesOf(value as object, `${prefix}${key}.`),
  )
}

/** Texts that stand in a template itself: they could not be translated. */
function rawTexts(nodes: readonly TemplateChildNode[]): string[] {
  return nodes.flatMap((node) => {
    if (node.type === NodeTypes.TEXT) return /\p{L}/u.test(node.content) ? [node.content.trim()] : []
    if (node.type !== NodeTypes.ELEMENT) return []
    const attributes = node.props.flatMap((prop) =>
      prop.type === NodeTypes.ATTRIBUTE && SPOKEN_ATTRIBUTES.has(prop.name) && prop.value?.content
        ? [prop.value.content]
        : [],
    )
    return [...attributes, ...rawTexts(node.children)]
  })
}

describe('the languages', () => {
  const english = new Map(entriesOf(en))
  const italian = new Map(entriesOf(it_))

  it('have the same keys', () => {
    expect([...italian.keys()].sort()).toEqual([...english.keys()].sort())
  })

  it('name the same values in each text', () => {
    const named = (text = '') => [...new Set(text.match(/\{\w+\}/g))].sort()
    for (const [key, text] of english) expect(named(italian.get(key)), key).toEqual(named(text))
  })

  it('have as many forms for numbers in each text', () => {
    const forms = (text = '') => text.split(' | ').length
    for (const [key, text] of english) expect(forms(italian.get(key)), key).toBe(forms(text))
  })

  it('leave no text empty', () => {
    expect([...english, ...italian].filter(([, text]) => !text.trim())).toEqual([])
  })

  it('have no text that nobody shows', () => {
    const code = CODE.map(read).join('\n')
    const isShown = (key: string) => {
      const parts = key.split('.')
      // A key may be made of a fixed beginning and a value: `runStatus.${status}`.
      const beginnings = parts.map((_, index) => `${parts.slice(0, index).join('.')}${index ? '.' : ''}\${`)
      return code.includes(`'${key}'`) || beginnings.slice(1).some((beginning) => code.includes(beginning))
    }
    expect([...english.keys()].filter((key) => !isShown(key))).toEqual([])
  })
})

it('every text that is named in the code is there', () => {
  const english = new Map(entriesOf(en))
  const spoken = new RegExp(`'((?:${Object.keys(en).join('|')})\\.[\\w.]+)'`, 'g')
  const named = CODE.flatMap((path) => [...read(path).matchAll(spoken)].map(([, key]) => key ?? ''))
  expect(named.length).toBeGreaterThan(100)
  expect(named.filter((key) => !english.has(key))).toEqual([])
})

describe.each(COMPONENTS)('%s', (path) => {
  const { descriptor } = parse(read(path))

  it('has no text of its own', () => {
    // The product's name is the same in every language.
    expect(rawTexts(descriptor.template?.ast?.children ?? []).filter((text) => text !== 'IntellyHub')).toEqual([])
  })

  it('is shorter than 150 lines and typed', () => {
    expect(read(path).split('\n').length).toBeLessThan(150)
    expect(descriptor.scriptSetup?.lang ?? 'ts').toBe('ts')
    expect(descriptor.script).toBeNull()
  })

  it('has no inline style, which the security policy refuses', () => {
    expect(read(path)).not.toMatch(/\sstyle="/)
  })
})

it('only src/api talks to the platform', () => {
  const talkers = CODE.filter((path) => /\bfetch\(|XMLHttpRequest|EventSource\(|WebSocket\(|openapi-fetch/.test(read(path)))
  expect(talkers.filter((path) => !path.startsWith(join('src', 'api')))).toEqual([])
})
