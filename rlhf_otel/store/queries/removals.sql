SELECT removals FROM erasure
