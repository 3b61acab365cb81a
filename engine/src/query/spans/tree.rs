//! Spans in the order of a tree, whatever their parents are.

use super::{Span, Sums};
use crate::timestamp::Timestamp;
use std::collections::{HashMap, HashSet};

/// A span among others.
struct Node {
    id: Box<[u8]>,
    sums: Sums,
    /// Its parent's place, if an event is of it.
    parent: Option<usize>,
    /// The places of what it called, the last first.
    children: Vec<usize>,
    is_told: bool,
}

/// The spans, each behind its parent; siblings by their start, then by their id.
pub(super) fn in_order(spans: HashMap<Box<[u8]>, Sums>) -> Vec<Span> {
    let mut spans: Vec<_> = spans.into_iter().collect();
    spans.sort_by(|(a_id, a), (b_id, b)| (a.start, a_id).cmp(&(b.start, b_id)));
    let places: HashMap<&[u8], usize> =
        spans.iter().enumerate().map(|(place, (id, _))| (&**id, place)).collect();
    let parent_of = |(_, sums): &(_, Sums)| places.get(&*sums.parent.as_ref()?.1).copied();
    let parents: Vec<Option<usize>> = spans.iter().map(parent_of).collect();
    drop(places);
    let node =
        |((id, sums), parent)| Node { id, sums, parent, children: Vec::new(), is_told: false };
    let mut nodes: Vec<Node> = spans.into_iter().zip(parents).map(node).collect();
    for place in (0..nodes.len()).rev() {
        if let Some(parent) = nodes[place].parent {
            nodes[parent].children.push(place);
        }
    }
    let mut told = Vec::with_capacity(nodes.len());
    for root in 0..nodes.len() {
        if nodes[root].parent.is_none() {
            tell(&mut nodes, root, &mut told);
        }
    }
    // What is left hangs on circles.
    for place in 0..nodes.len() {
        if !nodes[place].is_told {
            let root = earliest_of_circle(&nodes, place);
            tell(&mut nodes, root, &mut told);
        }
    }
    told
}

/// The earliest span of the circle that is above this one. There is one above each that hangs on no root.
fn earliest_of_circle(nodes: &[Node], place: usize) -> usize {
    let above = |place: usize| nodes[place].parent.expect("what has no parent is told already");
    // Who walks upwards comes to the circle, and there to where it was before.
    let mut seen = HashSet::new();
    let mut on_circle = place;
    while seen.insert(on_circle) {
        on_circle = above(on_circle);
    }
    let circle = std::iter::successors(Some(on_circle), |place| Some(above(*place)));
    let others = circle.skip(1).take_while(|place| *place != on_circle);
    // The nodes stand by their start.
    others.fold(on_circle, usize::min)
}

/// Tells a span and what is below it, but for what was told.
fn tell(nodes: &mut [Node], root: usize, told: &mut Vec<Span>) {
    let mut left = vec![(root, 0)];
    while let Some((place, depth)) = left.pop() {
        let node = &mut nodes[place];
        if std::mem::replace(&mut node.is_told, true) {
            continue;
        }
        let parent = node.sums.parent.as_ref().map(|(_, parent)| parent.to_vec());
        told.push(Span {
            id: node.id.to_vec(),
            is_orphan: parent.is_some() && node.parent.is_none(),
            is_in_circle: depth == 0 && node.parent.is_some(),
            parent,
            depth,
            start: Timestamp(node.sums.start),
            end: Timestamp(node.sums.end),
            levels: node.sums.levels,
            services: node.sums.services.iter().map(|service| service.to_vec()).collect(),
        });
        left.extend(node.children.iter().map(|child| (*child, depth + 1)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn span(id: &str, parent: Option<&str>, start: i64) -> (Box<[u8]>, Sums) {
        let parent = parent.map(|parent| ((start, 0), parent.as_bytes().into()));
        let services = BTreeSet::new();
        (id.as_bytes().into(), Sums { parent, start, end: start, levels: [0; 6], services })
    }

    /// `depth id`, with `?` behind orphans and `@` behind roots of circles.
    fn shown(spans: &[(&str, Option<&str>, i64)]) -> String {
        let spans = spans.iter().map(|(id, parent, start)| span(id, *parent, *start)).collect();
        let line = |span: Span| {
            let id = String::from_utf8(span.id).unwrap();
            let orphan = if span.is_orphan { "?" } else { "" };
            let circle = if span.is_in_circle { "@" } else { "" };
            format!("{}{id}{orphan}{circle}", span.depth)
        };
        in_order(spans).into_iter().map(line).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn spans_stand_behind_their_parents() {
        let spans = [
            ("a", None, 0),
            ("d", Some("b"), 1),
            ("c", Some("a"), 2),
            ("b", Some("a"), 5),
            ("e", Some("c"), 3),
        ];
        assert_eq!(shown(&spans), "0a 1c 2e 1b 2d");
        assert_eq!(shown(&[]), "");
        assert_eq!(shown(&[("b", Some("lost"), 1), ("a", None, 2)]), "0b? 0a");
    }

    #[test]
    fn circles_begin_at_their_earliest() {
        assert_eq!(shown(&[("a", Some("a"), 1)]), "0a@");
        let circle = [
            ("a", Some("c"), 3),
            ("b", Some("a"), 2),
            ("c", Some("b"), 4),
            ("x", Some("c"), 1),
            ("r", None, 9),
        ];
        assert_eq!(shown(&circle), "0r 0b@ 1c 2x 2a");
    }

    proptest! {
        #[test]
        fn every_span_is_told_once_and_behind_its_parent(
            parents in prop::collection::vec(prop::option::of(0usize..40), 0..40),
        ) {
            let name = |n: &usize| n.to_string();
            let spans = parents.iter().enumerate().map(|(id, parent)| {
                span(&name(&id), parent.as_ref().map(name).as_deref(), (id as i64 * 7) % 5)
            });
            let told = in_order(spans.collect());
            let ids: BTreeSet<&[u8]> = told.iter().map(|span| &*span.id).collect();
            prop_assert_eq!((told.len(), ids.len()), (parents.len(), parents.len()));
            let mut above: Vec<&[u8]> = Vec::new();
            for span in &told {
                prop_assert!(span.depth <= above.len());
                above.truncate(span.depth);
                if let Some(parent) = above.last() {
                    prop_assert_eq!(span.parent.as_deref(), Some(*parent));
                }
                let is_known = span.parent.as_deref().is_some_and(|parent| ids.contains(parent));
                prop_assert_eq!(span.is_orphan, span.parent.is_some() && !is_known);
                prop_assert_eq!(span.is_in_circle, span.depth == 0 && is_known);
                above.push(&span.id);
            }
        }
    }
}
