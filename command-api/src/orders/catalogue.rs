//! What is sold, and for how much, as the store of products has it. It is only read here.

use std::sync::Arc;

use domain::products::Product;
use event_schemas::ids::ProductId;
use event_store::{Commands, Store, StoreConfig, StoreError};
use tokio::sync::OnceCell;

/// Where products are looked up. Cheap to clone.
#[derive(Clone)]
pub struct Catalogue(Arc<Inner>);

/// A store and how its products are decided on.
type Elsewhere = (StoreConfig, fn(&Store) -> Commands<Product>);

struct Inner {
    products: OnceCell<Commands<Product>>,
    /// Where it is opened with the first look, unless it was open before.
    elsewhere: Option<Elsewhere>,
}

impl Catalogue {
    /// In a store that this process has anyway.
    #[must_use]
    pub fn of(products: Commands<Product>) -> Self {
        Self(Arc::new(Inner { products: OnceCell::new_with(Some(products)), elsewhere: None }))
    }

    /// In a store that is opened with the first look: what has nothing to do with it goes on while it is away.
    #[must_use]
    pub fn at(config: StoreConfig, products: fn(&Store) -> Commands<Product>) -> Self {
        Self(Arc::new(Inner { products: OnceCell::new(), elsewhere: Some((config, products)) }))
    }

    /// A product as it is now.
    pub(super) async fn product(&self, product: ProductId) -> Result<Product, StoreError> {
        let Inner { products, elsewhere } = &*self.0;
        let open = async || match elsewhere {
            Some((config, products)) => Ok(products(&Store::open(config.clone()).await?)),
            None => Err(StoreError::Closed),
        };
        let (_, product) = products.get_or_try_init(open).await?.load(&product.to_string()).await?;
        Ok(product)
    }
}
