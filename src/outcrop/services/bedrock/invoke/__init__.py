"""InvokeModel: bodies of text models by family, and of models that embed or rerank."""
