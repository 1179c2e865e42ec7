import { expect, it } from 'vitest'

import type { Graph } from '@/api/model'

import { edgeLabel, layOut, roundedPath } from './layout'

function node(id: string, type = 'set') {
  return { id, type, start: id === 'a', end: type === 'end' }
}

function edge(source: string, target: string, kind = 'next', label = '') {
  return { source, target, kind, label }
}

const GRAPH: Graph = {
  nodes: [node('a', 'if'), node('b'), node('end', 'end')],
  edges: [edge('a', 'b', 'true'), edge('a', 'end', 'false'), edge('b', 'end'), edge('b', 'b', 'error')],
}

it('draws every state below the ones that lead to it, none over another', () => {
  const { nodes } = layOut(GRAPH)
  const [a, b, end] = nodes
  expect(a!.y + a!.height).toBeLessThan(b!.y)
  expect(b!.y + b!.height).toBeLessThan(end!.y)
})

it('gives each transition a line, also two between the same states and one to itself', () => {
  const twice = { ...GRAPH, edges: [...GRAPH.edges, edge('a', 'b', 'error')] }
  expect(layOut(twice).edges.map(({ points }) => points.length >= 2)).toEqual([true, true, true, true, true])
})

it('leaves out a transition to a state that is not drawn', () => {
  expect(layOut({ nodes: [node('a')], edges: [edge('a', 'gone')] }).edges).toEqual([])
})

it('draws an empty machine', () => {
  expect(layOut({ nodes: [], edges: [] })).toEqual({ nodes: [], edges: [] })
})

it('labels what does not go without saying', () => {
  expect(edgeLabel(edge('a', 'b', 'next'))).toBe('')
  expect(edgeLabel(edge('a', 'b', 'case', 'it'))).toBe('it')
  expect(edgeLabel(edge('a', 'b', 'error'))).toBe('error')
})

it('goes straight between two points and round a corner', () => {
  expect(roundedPath([{ x: 0, y: 0 }, { x: 0, y: 9 }])).toBe('M0,0L0,9')
  expect(roundedPath([{ x: 0, y: 0 }, { x: 0, y: 5 }, { x: 5, y: 5 }])).toBe('M0,0Q0,5 5,5')
  expect(roundedPath([])).toBe('')
})
