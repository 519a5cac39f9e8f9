//! What fits one word of a question. The places where a word may stand are many, but whoever has it at all has its
//! stem among the stems of everything: these alone say which products fit, and the other places are looked at only for
//! the products that fit all words.

use tantivy::query::{BooleanQuery, BoostQuery, EnableScoring, Explanation, Query, Scorer, TermQuery, Weight};
use tantivy::schema::IndexRecordOption;
use tantivy::{COLLECT_BLOCK_BUFFER_LEN, DocId, DocSet, Score, SegmentReader, TERMINATED, Term};

/// Of several places where a word stands the best one counts, and of the others this part.
const OTHER_PLACES: f32 = 0.2;

/// One word with everything it may stand for.
#[derive(Clone, Debug)]
pub struct OneWord {
    /// Whatever fits has one of these, and has it without regard to where.
    pub leads: Vec<Term>,
    /// What counts how much.
    pub places: Vec<(Term, f32)>,
}

impl Query for OneWord {
    fn weight(&self, scoring: EnableScoring<'_>) -> tantivy::Result<Box<dyn Weight>> {
        let unscored = EnableScoring::disabled_from_schema(scoring.schema());
        let lead = match &self.leads[..] {
            [one] => TermQuery::new(one.clone(), IndexRecordOption::Basic).weight(unscored)?,
            several => BooleanQuery::new_multiterms_query(several.to_vec()).weight(unscored)?,
        };
        if !scoring.is_scoring_enabled() {
            return Ok(lead);
        }
        let place = |(term, boost): &(Term, f32)| {
            let query = TermQuery::new(term.clone(), IndexRecordOption::WithFreqs);
            BoostQuery::new(Box::new(query), *boost).weight(scoring)
        };
        let places = self.places.iter().map(place).collect::<tantivy::Result<_>>()?;
        Ok(Box::new(OneWordWeight { lead, places }))
    }

    fn query_terms<'a>(&'a self, visitor: &mut dyn FnMut(&'a Term, bool)) {
        self.places.iter().for_each(|(term, _)| visitor(term, false));
    }
}

struct OneWordWeight {
    lead: Box<dyn Weight>,
    places: Vec<Box<dyn Weight>>,
}

impl Weight for OneWordWeight {
    fn scorer(&self, segment: &SegmentReader, boost: Score) -> tantivy::Result<Box<dyn Scorer>> {
        let lead = self.lead.scorer(segment, 1.0)?;
        if lead.doc() == TERMINATED {
            return Ok(lead);
        }
        let mut places = Vec::with_capacity(self.places.len());
        for place in &self.places {
            let place = place.scorer(segment, boost)?;
            if place.doc() != TERMINATED {
                places.push(place);
            }
        }
        Ok(Box::new(OneWordScorer { lead, places }))
    }

    fn explain(&self, segment: &SegmentReader, doc: DocId) -> tantivy::Result<Explanation> {
        self.lead.explain(segment, doc)
    }
}

struct OneWordScorer {
    lead: Box<dyn Scorer>,
    places: Vec<Box<dyn Scorer>>,
}

impl DocSet for OneWordScorer {
    fn advance(&mut self) -> DocId {
        self.lead.advance()
    }

    fn seek(&mut self, target: DocId) -> DocId {
        self.lead.seek(target)
    }

    fn fill_buffer(&mut self, buffer: &mut [DocId; COLLECT_BLOCK_BUFFER_LEN]) -> usize {
        self.lead.fill_buffer(buffer)
    }

    fn doc(&self) -> DocId {
        self.lead.doc()
    }

    fn size_hint(&self) -> u32 {
        self.lead.size_hint()
    }

    fn cost(&self) -> u64 {
        self.lead.cost()
    }
}

impl Scorer for OneWordScorer {
    fn score(&mut self) -> Score {
        let doc = self.lead.doc();
        let (mut best, mut sum) = (0.0_f32, 0.0);
        for place in &mut self.places {
            // Most often it is the next one.
            if place.doc() < doc && place.advance() < doc {
                place.seek(doc);
            }
            if place.doc() == doc {
                let score = place.score();
                best = best.max(score);
                sum += score;
            }
        }
        best + (sum - best) * OTHER_PLACES
    }
}
