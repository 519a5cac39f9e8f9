//! Which events somebody wants to follow.

use std::collections::BTreeSet;

use event_schemas::Context;
use event_schemas::published::published;
use platform::http::Params;
use platform::problem::Problem;

use super::line::Line;

const CONTEXT: &str = "filter[context]";
const TYPE: &str = "filter[type]";
const AGGREGATE: &str = "filter[aggregate]";
/// How many types may be named.
const TYPES_MAX: usize = 64;
/// How long an id of an aggregate may be.
const AGGREGATE_CHARS_MAX: usize = 512;

/// What is wanted; what is not named is not asked about.
#[derive(Clone, Debug, Default)]
pub(super) struct Filter {
    /// Only these contexts are read.
    pub(super) contexts: BTreeSet<Context>,
    types: BTreeSet<String>,
    aggregate: Option<String>,
}

impl Filter {
    /// Takes the filters of a request.
    ///
    /// # Errors
    /// A 400 that names the parameter: what cannot happen would be waited for in vain.
    pub(super) fn take(params: &mut Params) -> Result<Self, Problem> {
        let contexts = match params.text(CONTEXT)? {
            None => Context::ALL.into(),
            Some(list) => list
                .split(',')
                .map(|name| name.trim().parse::<Context>().map_err(|error| Problem::bad_parameter(CONTEXT, error)))
                .collect::<Result<_, _>>()?,
        };
        let types = params.text(TYPE)?.map_or_else(|| Ok(BTreeSet::new()), |list| types(list, &contexts))?;
        let aggregate = params.text(AGGREGATE)?.map(str::to_owned);
        if aggregate.as_ref().is_some_and(|id| id.is_empty() || id.len() > AGGREGATE_CHARS_MAX) {
            return Err(Problem::bad_parameter(AGGREGATE, "it is the id of an aggregate, as its events have it"));
        }
        Ok(Self { contexts, types, aggregate })
    }

    /// Whether an event of one of its contexts is wanted.
    pub(super) fn wants(&self, line: &Line) -> bool {
        (self.types.is_empty() || self.types.contains(&*line.event_type))
            && self.aggregate.as_ref().is_none_or(|id| *id == line.aggregate_id)
    }
}

/// Names of events as they are stored.
fn types(list: &str, contexts: &BTreeSet<Context>) -> Result<BTreeSet<String>, Problem> {
    let known = published();
    let mut types = BTreeSet::new();
    for name in list.split(',').map(str::trim) {
        let Some(event) = known.iter().find(|event| event.event_type == name || event.dotted() == name) else {
            let why = format!(
                "nothing that can happen is called `{name}`; an event is named like OrderPlaced or \
                               orders.order-placed, and /schemas/<type>/<version>.json describes it"
            );
            return Err(Problem::bad_parameter(TYPE, why));
        };
        let here = |event: &&event_schemas::published::Published| contexts.contains(&event.context);
        if !known.iter().filter(|other| other.event_type == event.event_type).any(|other| here(&other)) {
            let why = format!("`{name}` happens in `{}`, which {CONTEXT} leaves out", event.context);
            return Err(Problem::bad_parameter(TYPE, why));
        }
        types.insert(event.event_type.to_owned());
    }
    if types.len() > TYPES_MAX {
        return Err(Problem::bad_parameter(TYPE, format!("it names at most {TYPES_MAX} types")));
    }
    Ok(types)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(query: &str) -> Result<Filter, Problem> {
        Filter::take(&mut Params::parse("/v1/events/stream", query).unwrap())
    }

    #[test]
    fn both_names_of_a_type_mean_the_same() {
        for query in [
            "filter[type]=OrderPlaced",
            "filter[type]=orders.order-placed",
            "filter[type]=OrderPlaced,orders.order-placed",
        ] {
            let filter = taken(query).unwrap();
            assert_eq!(filter.types, BTreeSet::from(["OrderPlaced".to_owned()]), "{query}");
            assert_eq!(filter.contexts.len(), Context::ALL.len());
        }
    }

    #[test]
    fn what_cannot_happen_is_refused() {
        for (query, pointer) in [
            ("filter[context]=gigs", CONTEXT),
            ("filter[context]=", CONTEXT),
            ("filter[type]=OrderPlced", TYPE),
            ("filter[type]=", TYPE),
            ("filter[type]=OrderPlaced&filter[context]=products", TYPE),
            ("filter[aggregate]=", AGGREGATE),
        ] {
            let problem = taken(query).unwrap_err();
            assert!(problem.status().as_u16() == 400 && problem.detail().contains(pointer), "{query}: {problem}");
        }
    }
}
