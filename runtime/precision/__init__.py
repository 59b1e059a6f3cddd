"""What products are computed in: said by who loads a model, never slipped in; or the fastest near float32."""
