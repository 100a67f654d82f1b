UPDATE tombstone SET laid_ns = max(laid_ns, :laid_ns) WHERE id = :id
