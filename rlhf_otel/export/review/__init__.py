"""What waits for a person before it goes anywhere: the queue on the disk, what may be changed in it, how it goes on."""
