//! What Python may call of core and engine.
