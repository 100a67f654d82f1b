SELECT name FROM migration
