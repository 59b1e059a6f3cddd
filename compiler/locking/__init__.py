"""`NAME.lock`: what a build is made of and what came out, so that the next one is the same or says what is not."""
