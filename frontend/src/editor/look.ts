/** The editor in the console's own colours. */
import { HighlightStyle, syntaxHighlighting } from '@codemirror/language'
import { EditorView } from '@codemirror/view'
import { tags } from '@lezer/highlight'

export const look = [
  EditorView.theme({
    '&': { height: '100%', fontSize: '13px', color: 'var(--ink)', backgroundColor: 'var(--surface)' },
    '&.cm-focused': { outline: 'none' },
    '.cm-scroller': { fontFamily: 'var(--mono)', lineHeight: '1.6', overflow: 'auto' },
    '.cm-content': { padding: '10px 0', caretColor: 'var(--accent)' },
    '.cm-cursor': { borderLeftColor: 'var(--accent)', borderLeftWidth: '2px' },
    '.cm-gutters': { backgroundColor: 'var(--surface)', color: 'var(--ink-faint)', border: '0' },
    '.cm-lineNumbers .cm-gutterElement': { padding: '0 6px 0 10px', fontVariantNumeric: 'tabular-nums' },
    '.cm-activeLine': { backgroundColor: 'color-mix(in srgb, var(--accent-soft) 45%, transparent)' },
    '.cm-activeLineGutter': { backgroundColor: 'transparent', color: 'var(--ink)' },
    '&.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground, .cm-selectionBackground': {
      backgroundColor: 'light-dark(#d5dffc, #2d3b70) !important',
    },
    '.cm-matchingBracket': { backgroundColor: 'var(--accent-soft)', outline: '1px solid var(--accent)' },
    '.cm-searchMatch': { backgroundColor: 'var(--warn-soft)' },
    '.cm-foldPlaceholder': { backgroundColor: 'var(--sunken)', border: '0', color: 'var(--ink-faint)' },
    '.cm-tooltip': {
      border: '1px solid var(--line)',
      borderRadius: '8px',
      backgroundColor: 'var(--raised)',
      boxShadow: 'var(--shadow-large)',
      overflow: 'hidden',
    },
    '.cm-tooltip-autocomplete > ul': { fontFamily: 'var(--mono)', fontSize: '12.5px' },
    '.cm-tooltip-autocomplete > ul > li': { padding: '3px 10px !important' },
    '.cm-tooltip-autocomplete > ul > li[aria-selected]': {
      backgroundColor: 'var(--accent-soft) !important',
      color: 'var(--accent) !important',
    },
    '.cm-diagnostic': { padding: '6px 10px', fontFamily: 'var(--text)', maxWidth: '28rem' },
    '.cm-diagnostic-error': { borderLeftColor: 'var(--bad)' },
    '.cm-diagnostic-warning': { borderLeftColor: 'var(--warn)' },
    '.cm-lintRange-error': { backgroundImage: 'none', textDecoration: 'underline wavy var(--bad) 1.2px', textUnderlineOffset: '3px' },
    '.cm-lintRange-warning': { backgroundImage: 'none', textDecoration: 'underline wavy var(--warn) 1.2px', textUnderlineOffset: '3px' },
    '.cm-gutter-lint': { width: '1rem' },
    '.cm-gutter-lint .cm-gutterElement': { padding: '0' },
    '.cm-lint-marker': { width: '8px', height: '8px', margin: '7px auto 0', borderRadius: '50%', content: 'none !important' },
    '.cm-lint-marker-error': { backgroundColor: 'var(--bad)' },
    '.cm-lint-marker-warning': { backgroundColor: 'var(--warn)' },
    '.cm-panels': { backgroundColor: 'var(--sunken)', color: 'var(--ink)', borderColor: 'var(--line)' },
    '.cm-panel input, .cm-panel button': { font: '13px var(--text)' },
  }),
  syntaxHighlighting(
    HighlightStyle.define([
      { tag: [tags.definition(tags.propertyName), tags.propertyName], color: 'var(--accent)' },
      { tag: [tags.string, tags.content], color: 'var(--ink)' },
      { tag: [tags.number, tags.bool, tags.null, tags.keyword], color: 'var(--warn)' },
      { tag: [tags.comment, tags.lineComment], color: 'var(--ink-faint)', fontStyle: 'italic' },
      { tag: [tags.separator, tags.punctuation, tags.squareBracket, tags.brace], color: 'var(--ink-faint)' },
      { tag: [tags.typeName, tags.labelName], color: 'var(--good)' },
      { tag: tags.invalid, color: 'var(--bad)' },
    ]),
  ),
]
