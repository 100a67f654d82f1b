UPDATE interaction SET content = :content WHERE id = :id
