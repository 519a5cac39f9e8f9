//! The fields of the index, how texts become words, and how a product becomes a document.

use tantivy::TantivyDocument;
use tantivy::schema::{
    BytesOptions, FAST, Field, INDEXED, IndexRecordOption, NumericOptions, STORED, Schema, TextFieldIndexing,
    TextOptions,
};
use tantivy::tokenizer::{
    AsciiFoldingFilter, LowerCaser, RemoveLongFilter, SimpleTokenizer, TextAnalyzer, TokenizerManager,
};

use crate::product::Kept;
use crate::stems::Stems;

/// Words of more bytes than this are left out, of products and of questions.
pub const WORD_BYTES_MAX: usize = 40;

/// The name of the analyser [`plain`].
pub const PLAIN: &str = "plain";
/// The name of the analyser [`stemmed`].
pub const STEMMED: &str = "stemmed";

/// The fast field of the products' categories.
pub const CATEGORIES: &str = "categories";
/// The fast field of the currency.
pub const CURRENCY: &str = "currency";
/// The fast field of the amount.
pub const AMOUNT_MINOR: &str = "amount_minor";
/// The fast field of the time of approval, in microseconds.
pub const PUBLISHED_AT: &str = "published_at";
/// The fast field by which products are told apart that are equal otherwise.
pub const TIE: &str = "tie";

/// What is in the index under which name.
#[derive(Clone, Debug)]
pub struct Fields {
    /// All of them.
    pub schema: Schema,
    /// The id, as its 16 bytes.
    pub id: Field,
    /// 1 for what everybody may find. Of everything else only the id and what is kept is in the index.
    pub listed: Field,
    /// What is kept, as JSON.
    pub kept: Field,
    /// The words of the title as they are.
    pub title: Field,
    /// The stems of the words of the title.
    pub title_stems: Field,
    /// The stems of the words of categories and variants.
    pub label_stems: Field,
    /// The words of everything as they are: the vocabulary of the index.
    pub words: Field,
    /// The stems of the words of everything: whatever has a word anywhere has its stem here.
    pub stems: Field,
    /// The categories as they are.
    pub categories: Field,
    /// The currency as it is.
    pub currency: Field,
    /// The seller's id.
    pub seller: Field,
    /// The price.
    pub amount_minor: Field,
    /// When it was approved.
    pub published_at: Field,
    /// The first half of the id.
    pub tie: Field,
}

impl Fields {
    /// The fields as this program makes them.
    #[must_use]
    pub fn new() -> Self {
        let mut schema = Schema::builder();
        let text = |analyzer: &str, record: IndexRecordOption| {
            let indexing = TextFieldIndexing::default().set_tokenizer(analyzer).set_index_option(record);
            TextOptions::default().set_indexing_options(indexing)
        };
        let (counted, placed) = (IndexRecordOption::WithFreqs, IndexRecordOption::WithFreqsAndPositions);
        let whole = || text("raw", IndexRecordOption::Basic);
        let fast = || NumericOptions::default().set_fast();
        Self {
            id: schema.add_bytes_field("id", BytesOptions::default() | INDEXED),
            listed: schema.add_u64_field("listed", NumericOptions::default() | INDEXED),
            kept: schema.add_bytes_field("kept", BytesOptions::default() | STORED),
            title: schema.add_text_field("title", text(PLAIN, counted)),
            title_stems: schema.add_text_field("title_stems", text(STEMMED, placed)),
            label_stems: schema.add_text_field("label_stems", text(STEMMED, counted)),
            words: schema.add_text_field("words", text(PLAIN, counted)),
            stems: schema.add_text_field("stems", text(STEMMED, counted)),
            categories: schema.add_text_field(CATEGORIES, whole().set_fast("raw")),
            currency: schema.add_text_field(CURRENCY, whole().set_fast("raw")),
            seller: schema.add_bytes_field("seller", BytesOptions::default() | INDEXED),
            amount_minor: schema.add_i64_field(AMOUNT_MINOR, fast()),
            published_at: schema.add_i64_field(PUBLISHED_AT, fast()),
            tie: schema.add_u64_field(TIE, NumericOptions::default() | FAST),
            schema: schema.build(),
        }
    }

    /// The document of what is kept. What nobody may find has no words.
    ///
    /// # Errors
    /// What serde says; nothing in it can fail.
    pub fn document(&self, kept: &Kept) -> serde_json::Result<TantivyDocument> {
        let mut document = TantivyDocument::new();
        let id = kept.product().0;
        document.add_bytes(self.id, id.as_bytes());
        document.add_bytes(self.kept, &serde_json::to_vec(kept)?);
        let Some(product) = kept.listed() else { return Ok(document) };
        document.add_u64(self.listed, 1);
        document.add_text(self.title, &product.title);
        document.add_text(self.title_stems, &product.title);
        for text in [&product.title, &product.description] {
            document.add_text(self.words, text);
            document.add_text(self.stems, text);
        }
        for label in product.categories.iter().chain(product.variants.iter().map(|variant| &variant.title)) {
            document.add_text(self.label_stems, label);
            document.add_text(self.words, label);
            document.add_text(self.stems, label);
        }
        for variant in &product.variants {
            document.add_text(self.words, variant.sku.as_str());
            document.add_text(self.stems, variant.sku.as_str());
        }
        for category in &product.categories {
            document.add_text(self.categories, category);
        }
        document.add_text(self.currency, product.price.currency.code());
        document.add_bytes(self.seller, product.seller.0.as_bytes());
        document.add_i64(self.amount_minor, product.price.amount_minor);
        document.add_i64(self.published_at, product.published_at.unwrap_or(product.drafted_at).micros());
        document.add_u64(self.tie, id.as_u64_pair().0 ^ id.as_u64_pair().1);
        Ok(document)
    }
}

impl Default for Fields {
    fn default() -> Self {
        Self::new()
    }
}

/// Words as they are written, but for case and accents.
#[must_use]
pub fn plain() -> TextAnalyzer {
    TextAnalyzer::builder(SimpleTokenizer::default())
        .filter(RemoveLongFilter::limit(WORD_BYTES_MAX))
        .filter(LowerCaser)
        .filter(AsciiFoldingFilter)
        .build()
}

/// The same words by their English stems: as many, in the same order.
#[must_use]
pub fn stemmed() -> TextAnalyzer {
    TextAnalyzer::builder(SimpleTokenizer::default())
        .filter(RemoveLongFilter::limit(WORD_BYTES_MAX))
        .filter(LowerCaser)
        .filter(AsciiFoldingFilter)
        .filter(Stems)
        .build()
}

/// What the fields name.
#[must_use]
pub fn analyzers() -> TokenizerManager {
    let analyzers = TokenizerManager::default();
    analyzers.register(PLAIN, plain());
    analyzers.register(STEMMED, stemmed());
    analyzers
}
