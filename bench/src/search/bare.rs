//! The library alone: what somebody would write with it who wants the same documents and the same answers.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use search::fields::{self, Fields};
use search::index::{Serving, WRITER_BYTES};
use tantivy::aggregation::AggregationCollector;
use tantivy::aggregation::agg_req::Aggregations;
use tantivy::collector::{Count, TopDocs};
use tantivy::directory::MmapDirectory;
use tantivy::query::QueryParser;
use tantivy::tokenizer::{
    AsciiFoldingFilter, Language, LowerCaser, RemoveLongFilter, SimpleTokenizer, Stemmer, TextAnalyzer,
    TokenizerManager,
};
use tantivy::{Index, IndexWriter, Searcher, TantivyDocument};

/// Adds the documents with one thread and the memory that ours has, commits once, and is ready to be asked.
pub(super) fn build(folder: &Path, documents: Vec<TantivyDocument>) -> anyhow::Result<Duration> {
    let fields = Fields::new();
    let builder = Index::builder().schema(fields.schema).tokenizers(analyzers());
    let index = builder.open_or_create(MmapDirectory::open(folder)?)?;
    let count = documents.len() as u64;
    let begun = Instant::now();
    let mut writer: IndexWriter = index.writer_with_num_threads(1, WRITER_BYTES)?;
    for document in documents {
        writer.add_document(document)?;
    }
    writer.commit()?;
    let searcher = index.reader()?.searcher();
    let took = begun.elapsed();
    ensure!(searcher.num_docs() == count, "the library alone has lost documents");
    Ok(took)
}

/// The same words and stems, by what the library brings along.
fn analyzers() -> TokenizerManager {
    let words = || {
        TextAnalyzer::builder(SimpleTokenizer::default())
            .filter(RemoveLongFilter::limit(fields::WORD_BYTES_MAX))
            .filter(LowerCaser)
            .filter(AsciiFoldingFilter)
    };
    let analyzers = TokenizerManager::default();
    analyzers.register(fields::PLAIN, words().build());
    analyzers.register(fields::STEMMED, words().filter(Stemmer::new(Language::English)).build());
    analyzers
}

/// Asks by the library's own query parser and aggregations.
pub(super) struct Bare {
    searcher: Searcher,
    parser: QueryParser,
    facets: Aggregations,
}

impl Bare {
    pub(super) fn new(serving: &Serving) -> anyhow::Result<Self> {
        let fields = &serving.fields;
        let places = vec![fields.title, fields.title_stems, fields.label_stems, fields.words, fields.stems];
        let mut parser = QueryParser::new(fields.schema.clone(), places, analyzers());
        parser.set_conjunction_by_default();
        for (field, boost) in [(fields.title, 4.0), (fields.title_stems, 2.5), (fields.label_stems, 1.5)] {
            parser.set_field_boost(field, boost);
        }
        let ranges = [(0, 1_000), (1_000, 2_500), (2_500, 5_000), (5_000, 10_000), (10_000, 25_000), (25_000, 50_000)];
        let ranges: Vec<_> = ranges.iter().map(|(from, to)| serde_json::json!({"from": from, "to": to})).collect();
        let facets = serde_json::json!({
            "categories": {"terms": {"field": fields::CATEGORIES, "size": 50}},
            "prices": {"range": {"field": fields::AMOUNT_MINOR, "ranges": ranges}},
        });
        // A reader of its own, as the library opens it: what ours has unpacked is of no use to it.
        let searcher = serving.searcher().index().reader()?.searcher();
        Ok(Self { searcher, parser, facets: serde_json::from_value(facets)? })
    }

    /// The best twenty with what is stored of them, and how many there are; with facets if they are wanted.
    pub(super) fn ask(&self, q: &str, with_facets: bool) -> anyhow::Result<(usize, Duration)> {
        let begun = Instant::now();
        let query = self.parser.parse_query(q)?;
        let best = TopDocs::with_limit(20).order_by_score();
        let (best, total) = if with_facets {
            let facets = AggregationCollector::from_aggs(self.facets.clone(), Default::default());
            let (best, total, facets) = self.searcher.search(&query, &(best, Count, facets))?;
            std::hint::black_box(serde_json::to_string(&facets)?);
            (best, total)
        } else {
            self.searcher.search(&query, &(best, Count))?
        };
        for (_, at) in best {
            let document: TantivyDocument = self.searcher.doc(at)?;
            std::hint::black_box(document.field_values().next().context("nothing is stored")?);
        }
        Ok((total, begun.elapsed()))
    }
}
